// calls: quicksort, comparing by a function it is given
#include "lib/program.h"

enum { COUNT = 60000, PASSES = 2 };

typedef int (*compare)(const uint32_t *, const uint32_t *);

static uint32_t values[COUNT];

static void swap(uint32_t *a, uint32_t *b) {
    uint32_t t = *a;
    *a = *b;
    *b = t;
}

__attribute__((noipa)) static void sort(uint32_t *v, long count, compare order) {
    while (count > 1) {
        swap(v, v + count / 2);
        long middle = 0;
        for (long i = 1; i < count; i++) {
            if (order(v + i, v) < 0) {
                swap(v + ++middle, v + i);
            }
        }
        swap(v, v + middle);
        if (middle < count - middle) { // the smaller part by a call, so that the stack stays short
            sort(v, middle, order);
            v += middle + 1;
            count -= middle + 1;
        } else {
            sort(v + middle + 1, count - middle - 1, order);
            count = middle;
        }
    }
}

__attribute__((noipa)) static int up(const uint32_t *a, const uint32_t *b) {
    return (*a > *b) - (*a < *b);
}

__attribute__((noipa)) static int down(const uint32_t *a, const uint32_t *b) {
    return (*a < *b) - (*a > *b);
}

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t state = 11, sum = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        for (int i = 0; i < COUNT; i++) {
            values[i] = (uint32_t) (next(&state) >> 32);
        }
        sort(values, COUNT, pass & 1 ? down : up);
        for (int i = 0; i < COUNT; i++) {
            sum = mix(sum, values[i]);
        }
    }
    return sum;
}
