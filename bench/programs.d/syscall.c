// kernel: system calls that do next to nothing
#include "lib/program.h"

enum { CALLS = 100000 };

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    long parent = call3(GETPPID, 0, 0, 0);
    uint64_t same = 0;
    for (int i = 0; i < CALLS; i++) {
        same += call3(GETPPID, 0, 0, 0) == parent;
    }
    return same;
}
