// memory: copying, scaling and adding arrays of 1 MiB in words of 64 bits
#include "lib/program.h"

/* Not a power of two: the arrays would share the entries of a software TLB, and nothing else be measured. */
enum { WORDS = (1 << 17) + 1576, PASSES = 40 };

static uint64_t a[WORDS], b[WORDS], c[WORDS];

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    for (int i = 0; i < WORDS; i++) {
        a[i] = mix(5, (uint64_t) i);
    }
    for (int pass = 0; pass < PASSES; pass++) {
        for (int i = 0; i < WORDS; i++) {
            b[i] = a[i];
        }
        for (int i = 0; i < WORDS; i++) {
            c[i] = 2 * b[i];
        }
        for (int i = 0; i < WORDS; i++) {
            a[i] = b[i] + c[i];
        }
    }
    uint64_t sum = 0;
    for (int i = 0; i < WORDS; i++) {
        sum = mix(sum, a[i]);
    }
    return sum;
}
