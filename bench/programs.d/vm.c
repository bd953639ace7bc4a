// indirect branches: a bytecode machine that branches by a table, at the 3n + 1 problem
#include "lib/program.h"

enum opcode { SET, COPY, ADD, ADD_CONSTANT, SHIFT_RIGHT, AND_CONSTANT, TRIPLE, JUMP, JUMP_IF_ZERO, JUMP_IF_LESS, MIX, HALT };

struct instruction {
    uint8_t op, to, from;
    int32_t constant;
};

enum { N, STEPS, BIT, SEED, LIMIT, ONE, SUM };

// sum of mix(steps from n down to 1) for each n from 2 below the limit
static const struct instruction program[] = {
    {SET, SEED, 0, 2},
    {SET, LIMIT, 0, 12000},
    {SET, ONE, 0, 2},
    {COPY, N, SEED, 0}, // 3: the next number
    {SET, STEPS, 0, 0},
    {JUMP_IF_LESS, N, ONE, 14}, // 5: reached 1
    {ADD_CONSTANT, STEPS, 0, 1},
    {COPY, BIT, N, 0},
    {AND_CONSTANT, BIT, 0, 1},
    {JUMP_IF_ZERO, BIT, 0, 12},
    {TRIPLE, N, 0, 1},
    {JUMP, 0, 0, 5},
    {SHIFT_RIGHT, N, 0, 1}, // 12: even
    {JUMP, 0, 0, 5},
    {MIX, SUM, STEPS, 0}, // 14
    {ADD_CONSTANT, SEED, 0, 1},
    {JUMP_IF_LESS, SEED, LIMIT, 3},
    {HALT, 0, 0, 0},
};

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t r[8] = {0};
    const struct instruction *i = program;
    for (;;) {
        const struct instruction *at = i++;
        switch ((enum opcode) at->op) {
            case SET: r[at->to] = (uint64_t) at->constant; break;
            case COPY: r[at->to] = r[at->from]; break;
            case ADD: r[at->to] += r[at->from]; break;
            case ADD_CONSTANT: r[at->to] += (uint64_t) at->constant; break;
            case SHIFT_RIGHT: r[at->to] >>= at->constant; break;
            case AND_CONSTANT: r[at->to] &= (uint64_t) at->constant; break;
            case TRIPLE: r[at->to] = 3 * r[at->to] + (uint64_t) at->constant; break;
            case JUMP: i = program + at->constant; break;
            case JUMP_IF_ZERO: i = r[at->to] == 0 ? program + at->constant : i; break;
            case JUMP_IF_LESS: i = r[at->to] < r[at->from] ? program + at->constant : i; break;
            case MIX: r[at->to] = mix(r[at->to], r[at->from]); break;
            case HALT: return r[SUM];
        }
    }
}
