// calls: Fibonacci numbers by two calls each
#include "lib/program.h"

// as it stands: neither inlined into itself nor the second call made a loop
__attribute__((noipa, optimize("no-optimize-sibling-calls", "no-inline"))) static uint64_t fib(int n) {
    return n < 2 ? (uint64_t) n : fib(n - 1) + fib(n - 2);
}

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    return fib(31);
}
