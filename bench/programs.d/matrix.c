// packed floating point: product of matrices, two doubles at a time
#include "lib/program.h"
#include <emmintrin.h>

enum { SIDE = 128, PASSES = 16 };

static _Alignas(16) double a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t state = 9, sum = 0;
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            a[i][j] = (double) (next(&state) >> 44);
            b[i][j] = (double) (next(&state) >> 44) * 0.125;
        }
    }
    for (int pass = 0; pass < PASSES; pass++) {
        for (int i = 0; i < SIDE; i++) {
            for (int j = 0; j < SIDE; j += 4) {
                __m128d low = _mm_setzero_pd(), high = _mm_setzero_pd();
                for (int k = 0; k < SIDE; k++) {
                    __m128d factor = _mm_set1_pd(a[i][k]);
                    low = _mm_add_pd(low, _mm_mul_pd(factor, _mm_load_pd(&b[k][j])));
                    high = _mm_add_pd(high, _mm_mul_pd(factor, _mm_load_pd(&b[k][j + 2])));
                }
                _mm_store_pd(&c[i][j], low);
                _mm_store_pd(&c[i][j + 2], high);
            }
        }
        for (int i = 0; i < SIDE; i++) {
            a[i][(i * 7 + pass) % SIDE] = c[i][i] * 0x1p-40;
        }
    }
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            union { double value; uint64_t bits; } x = {c[i][j]};
            sum = mix(sum, x.bits);
        }
    }
    return sum;
}
