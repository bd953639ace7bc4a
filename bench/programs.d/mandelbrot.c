// scalar floating point: the Mandelbrot set, double precision
#include "lib/program.h"

enum { SIDE = 240, LIMIT = 250 };

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t sum = 0;
    for (int row = 0; row < SIDE; row++) {
        for (int column = 0; column < SIDE; column++) {
            double cr = 3.0 * column / SIDE - 2.2, ci = 2.4 * row / SIDE - 1.2;
            double r = 0, i = 0;
            int n = 0;
            for (; n < LIMIT; n++) {
                double rr = r * r, ii = i * i;
                if (rr + ii > 4) {
                    break;
                }
                i = 2 * r * i + ci;
                r = rr - ii + cr;
            }
            sum = mix(sum, (uint64_t) n);
        }
    }
    return sum;
}
