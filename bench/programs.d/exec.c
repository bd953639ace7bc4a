// kernel: a hundred processes made, each of them this program started anew
#include "lib/program.h"

enum { PROCESSES = 100 };

static uint64_t run(int argc, char **argv) {
    if (argc > 1) { // one of the hundred: tells its number by its status
        call3(EXIT_GROUP, (argv[1][0] - 'a') * 10 + (argv[1][1] - 'a'), 0, 0);
    }
    uint64_t sum = 0;
    for (int i = 0; i < PROCESSES; i++) {
        char number[] = {(char) ('a' + i / 10), (char) ('a' + i % 10), 0};
        char *arguments[] = {argv[0], number, NULL};
        char *environment[] = {NULL};
        long child = call3(FORK, 0, 0, 0);
        if (child == 0) {
            call3(EXECVE, (long) "/proc/self/exe", (long) arguments, (long) environment);
            call3(EXIT_GROUP, 127, 0, 0);
        }
        int status = -1;
        call6(WAIT4, child, (long) &status, 0, 0, 0, 0);
        sum = mix(sum, (uint64_t) status);
    }
    return sum;
}
