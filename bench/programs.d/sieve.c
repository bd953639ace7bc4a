// memory: the primes below two million, by crossing out
#include "lib/program.h"

enum { LIMIT = 2000000, PASSES = 3 };

static uint8_t crossed[LIMIT];

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t sum = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        for (int i = 0; i < LIMIT; i++) {
            crossed[i] = 0;
        }
        for (int i = 2; i < LIMIT; i++) {
            if (crossed[i]) {
                continue;
            }
            sum = sum + 1 + (uint64_t) i * (uint64_t) pass;
            for (long j = (long) i * i; j < LIMIT; j += i) {
                crossed[j] = 1;
            }
        }
    }
    return sum;
}
