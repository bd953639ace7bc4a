// strings: the processor's own string instructions, on 16 bytes to 16 KiB
#include "lib/program.h"

enum { SIZE = 1 << 14, PASSES = 60 };

static uint8_t from[SIZE + 64], to[SIZE + 64];

static void copy(void *destination, const void *source, size_t count) {
    __asm__ volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(count) : : "memory");
}

static void fill(void *destination, uint64_t value, size_t words) {
    __asm__ volatile("rep stosq" : "+D"(destination), "+c"(words) : "a"(value) : "memory");
}

/* How many bytes are left behind the first zero. */
static size_t scan(const void *s, size_t count) {
    __asm__ volatile("repne scasb" : "+D"(s), "+c"(count) : "a"(0) : "cc", "memory");
    return count;
}

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t state = 19, sum = 0;
    for (int i = 0; i < SIZE; i++) {
        from[i] = (uint8_t) (next(&state) >> 56 | 1);
    }
    for (int pass = 0; pass < PASSES; pass++) {
        for (size_t size = 16; size <= SIZE; size *= 2) {
            for (size_t i = 0; i < SIZE; i += size) { // the same number of bytes by pieces of each size
                size_t at = next(&state) % (SIZE - size + 1);
                fill(to + i, mix(sum, i), size / 8);
                copy(to + i + 1, from + at, size - 8);
                to[i + size / 2] = 0;
                sum = mix(sum, scan(to + i + 1, size - 1) ^ to[i + size - 2]);
            }
        }
    }
    return sum;
}
