// kernel: two processes on one processor that hand a byte to and fro through pipes
#include "lib/program.h"

enum { ROUNDS = 4000 };

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    unsigned cpu = 0;
    call3(GETCPU, (long) &cpu, 0, 0);
    uint64_t mask[16] = {0};
    mask[cpu / 64 % 16] = 1ULL << cpu % 64;
    call3(SCHED_SETAFFINITY, 0, sizeof mask, (long) mask);
    int there[2], back[2];
    if (call3(PIPE, (long) there, 0, 0) < 0 || call3(PIPE, (long) back, 0, 0) < 0) {
        return 0;
    }
    long child = call3(FORK, 0, 0, 0);
    uint8_t byte = 1;
    if (child == 0) {
        for (int i = 0; i < ROUNDS && call3(READ, there[0], (long) &byte, 1) == 1; i++) {
            byte = (uint8_t) (byte * 5 + 1);
            call3(WRITE, back[1], (long) &byte, 1);
        }
        call3(EXIT_GROUP, 0, 0, 0);
    }
    uint64_t sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (call3(WRITE, there[1], (long) &byte, 1) != 1 || call3(READ, back[0], (long) &byte, 1) != 1) {
            return 0;
        }
        sum = mix(sum, byte);
    }
    call6(WAIT4, child, 0, 0, 0, 0, 0);
    return sum;
}
