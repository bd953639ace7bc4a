// memory: one pointer after the other through 4 MiB, in a random order
#include "lib/program.h"

enum { NODES = 1 << 18, STEPS = 1500000 };

struct node {
    struct node *next;
    uint64_t value;
};

static struct node nodes[NODES];
static uint32_t order[NODES];

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t state = 3;
    for (uint32_t i = 0; i < NODES; i++) {
        order[i] = i;
        nodes[i].value = i;
    }
    for (uint32_t i = NODES - 1; i > 0; i--) { // a permutation of all, hence one ring
        uint32_t j = (uint32_t) ((next(&state) >> 32) * i >> 32);
        uint32_t other = order[i];
        order[i] = order[j];
        order[j] = other;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        nodes[order[i]].next = &nodes[order[(i + 1) & (NODES - 1)]];
    }
    uint64_t sum = 0;
    struct node *n = nodes;
    for (int i = 0; i < STEPS; i++) {
        sum += n->value ^ (uint64_t) i;
        n = n->next;
    }
    return sum;
}
