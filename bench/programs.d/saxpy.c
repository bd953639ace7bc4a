// packed floating point: a*x + y over arrays of 32 KiB, four floats at a time
#include "lib/program.h"
#include <emmintrin.h>

enum { COUNT = 8192, PASSES = 4000 };

static _Alignas(16) float x[COUNT], y[COUNT];

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t state = 13, sum = 0;
    for (int i = 0; i < COUNT; i++) {
        x[i] = (float) (next(&state) >> 40) * 0x1p-24f;
        y[i] = (float) (next(&state) >> 40) * 0x1p-24f;
    }
    for (int pass = 0; pass < PASSES; pass++) {
        __m128 a = _mm_set1_ps(pass & 1 ? 0.75f : -0.5f);
        for (int i = 0; i < COUNT; i += 4) {
            _mm_store_ps(y + i, _mm_add_ps(_mm_mul_ps(a, _mm_load_ps(x + i)), _mm_load_ps(y + i)));
        }
    }
    for (int i = 0; i < COUNT; i++) {
        union { float value; uint32_t bits; } v = {y[i]};
        sum = mix(sum, v.bits);
    }
    return sum;
}
