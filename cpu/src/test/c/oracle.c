/*
 * Executes single instructions natively in ring 3 and tells what they did: the oracle that the interpreter is compared
 * with.
 *
 * Standard input: a 32-bit count, then so many struct request; standard output: as many struct response. A batch is
 * read whole before it is answered, so neither side blocks on a full pipe.
 *
 * How one instruction is run: a signal handler rewrites the interrupted context (registers, XSAVE image) to the
 * wanted state with TF set and returns; the instruction runs; its trap or fault comes back as a signal, whose handler
 * reads the state off its own context and puts the first one back. Handlers run on an alternate stack, so RSP may be
 * anything.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define DATA 0x10000000UL   /* two pages; the window of WINDOW bytes straddles their boundary */
#define CODE 0x20000000UL   /* one page; the instruction stands in its middle */
#define WINDOW 1024
#define WINDOW_START (DATA + 4096 - WINDOW / 2)
#define CODE_START (CODE + 0x800)
#define GS_BASE 0x40
#define FXSAVE 512
#define XSAVE_HEADER 64
#define YMM_HIGH (FXSAVE + XSAVE_HEADER) /* standard format: SDM vol. 1, 13.4 */
#define XSAVE (YMM_HIGH + 256)
#define X87_SSE 3
#define AVX 4

struct request {
    uint8_t code[16];
    uint32_t length;
    uint32_t reserved;
    uint64_t gpr[16];
    uint64_t rflags;
    uint8_t xs[XSAVE];
    uint8_t data[WINDOW];
};

struct response {
    uint32_t signal;
    uint32_t trap;
    uint64_t error;
    uint64_t rip;
    uint64_t rflags;
    uint64_t gpr[16];
    uint8_t xs[XSAVE];
    uint8_t data[WINDOW];
};

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static struct request *request;
static struct response *response;
static gregset_t home;
static uint8_t home_xs[XSAVE];
static int has_avx;
static long steps;

static void enter(ucontext_t *u) {
    memcpy(home, u->uc_mcontext.gregs, sizeof home);
    uint8_t *xs = (uint8_t *) u->uc_mcontext.fpregs;
    memcpy(home_xs, xs, has_avx ? XSAVE : YMM_HIGH);
    for (int i = 0; i < 16; i++) {
        u->uc_mcontext.gregs[order[i]] = (greg_t) request->gpr[i];
    }
    u->uc_mcontext.gregs[REG_RIP] = CODE_START;
    u->uc_mcontext.gregs[REG_EFL] = (greg_t) (request->rflags | 0x100);
    /* bytes 464 to 511 belong to the kernel: they say that an XSAVE header follows */
    memcpy(xs, request->xs, 464);
    /* everything above AVX gets its initial value */
    *(uint64_t *) (xs + FXSAVE) = has_avx ? X87_SSE | AVX : X87_SSE;
    if (has_avx) {
        memcpy(xs + YMM_HIGH, request->xs + YMM_HIGH, XSAVE - YMM_HIGH);
    }
    steps = 0;
}

static void leave(ucontext_t *u, int signo) {
    greg_t *g = u->uc_mcontext.gregs;
    response->signal = (uint32_t) signo;
    response->trap = (uint32_t) g[REG_TRAPNO];
    response->error = (uint64_t) g[REG_ERR];
    response->rip = (uint64_t) g[REG_RIP];
    response->rflags = (uint64_t) g[REG_EFL];
    for (int i = 0; i < 16; i++) {
        response->gpr[i] = (uint64_t) g[order[i]];
    }
    uint8_t *xs = (uint8_t *) u->uc_mcontext.fpregs;
    memcpy(response->xs, xs, YMM_HIGH);
    if (has_avx && *(uint64_t *) (xs + FXSAVE) & AVX) {
        memcpy(response->xs + YMM_HIGH, xs + YMM_HIGH, XSAVE - YMM_HIGH);
    }
    memcpy(g, home, sizeof home);
    memcpy(xs, home_xs, 464);
    memcpy(xs + FXSAVE, home_xs + FXSAVE, (has_avx ? XSAVE : YMM_HIGH) - FXSAVE);
}

static void on_signal(int signo, siginfo_t *info, void *context) {
    (void) info;
    ucontext_t *u = context;
    /* POPF may have set AC, and the kernel leaves it: what follows need not be aligned */
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~0x40000ULL);
    if (signo == SIGUSR1) {
        enter(u);
    } else if (signo == SIGTRAP && u->uc_mcontext.gregs[REG_RIP] == (greg_t) CODE_START && ++steps < 4096) {
        /* a repeated string instruction traps after each round */
        u->uc_mcontext.gregs[REG_EFL] |= 0x100;
    } else {
        leave(u, signo);
    }
}

static void read_fully(void *into, size_t n) {
    if (fread(into, 1, n, stdin) != n) {
        exit(0);
    }
}

int main(void) {
    has_avx = __builtin_cpu_supports("avx");
    stack_t stack = {.ss_sp = malloc(1 << 18), .ss_size = 1 << 18};
    sigaltstack(&stack, NULL);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    const int signals[] = {SIGUSR1, SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], &action, NULL);
    }
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    if (mmap((void *) DATA, 8192, PROT_READ | PROT_WRITE, flags, -1, 0) != (void *) DATA
            || mmap((void *) CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0) != (void *) CODE) {
        fprintf(stderr, "oracle: the fixed addresses are taken\n");
        return 2;
    }
    syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE);
    for (;;) {
        uint32_t n;
        read_fully(&n, sizeof n);
        struct request *requests = malloc(n * sizeof *requests);
        struct response *responses = calloc(n, sizeof *responses);
        if (!requests || !responses) {
            return 2;
        }
        read_fully(requests, n * sizeof *requests);
        for (uint32_t i = 0; i < n; i++) {
            request = &requests[i];
            response = &responses[i];
            memset((void *) DATA, 0, 8192);
            memcpy((void *) WINDOW_START, request->data, WINDOW);
            memset((void *) CODE, 0xcc, 4096);
            memcpy((void *) CODE_START, request->code, sizeof request->code);
            raise(SIGUSR1);
            memcpy(response->data, (void *) WINDOW_START, WINDOW);
        }
        fwrite(responses, sizeof *responses, n, stdout);
        fflush(stdout);
        free(requests);
        free(responses);
    }
}
