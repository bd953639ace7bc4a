// kernel: page faults, on 4 MiB mapped, touched and given back
#include "lib/program.h"

enum { SIZE = 4 << 20, PAGE = 4096, PASSES = 6 };
enum { READ_WRITE = 3, PRIVATE_ANONYMOUS = 0x22, NO_HUGE_PAGES = 15 };

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t sum = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        uint8_t *area = (uint8_t *) call6(MMAP, 0, SIZE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0);
        if ((uint64_t) area > -4096ULL) {
            return 0;
        }
        call3(MADVISE, (long) area, SIZE, NO_HUGE_PAGES);
        for (size_t i = 0; i < SIZE; i += PAGE) {
            sum = mix(sum, area[i + 8]);
            area[i] = (uint8_t) (i / PAGE);
        }
        for (size_t i = 0; i < SIZE; i += PAGE) {
            sum = mix(sum, area[i]);
        }
        call3(MUNMAP, (long) area, SIZE, 0);
    }
    return sum;
}
