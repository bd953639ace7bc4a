// integer: a hash table with open addressing, filled and asked
#include "lib/program.h"

enum { SLOTS = 1 << 16, KEYS = SLOTS * 3 / 4, PASSES = 10 };

static struct entry {
    uint64_t key, value;
} entries[SLOTS];

static struct entry *find(uint64_t key) {
    uint32_t i = (uint32_t) (mix(key, key >> 29) >> 48);
    while (entries[i].key != 0 && entries[i].key != key) {
        i = (i + 1) & (SLOTS - 1);
    }
    return &entries[i];
}

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t sum = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        uint64_t state = 7;
        for (int i = 0; i < KEYS; i++) {
            uint64_t key = next(&state);
            struct entry *e = find(key);
            e->key = key;
            e->value += key >> 32 ^ (uint64_t) pass;
            sum = mix(sum, e->value);
        }
    }
    return sum;
}
