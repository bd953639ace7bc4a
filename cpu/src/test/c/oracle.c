/*
 * Executes single instructions natively in ring 3, in 64-, 32- and 16-bit code segments, and tells what they did: the
 * oracle that the interpreter is compared with.
 *
 * Compiled with -DTEXT_START=address, where it is linked to.
 *
 * Standard input: a 32-bit count and so many struct user_desc (the LDT); then batches: a 32-bit count, then so many
 * struct request, each batch answered on standard output by as many struct response. A batch is read whole before it
 * is answered, so neither side blocks on a full pipe.
 *
 * How one instruction is run: a signal handler rewrites the interrupted context (registers, segments, XSAVE image) to
 * the wanted state with TF set and returns; the instruction runs; its trap or fault comes back as a signal, whose
 * handler reads the state off its own context and goes on with the next case. Handlers run in 64-bit mode on an
 * alternate stack, whatever the instruction has made of CS, SS and RSP.
 *
 * An instruction that has not come back after a few tenths of a second is given up: its response has the signal SIGPROF.
 *
 * The program has no C library: all segment registers and their bases belong to the instruction under test, and a
 * seccomp filter answers every system call that is not made from this text with ENOSYS. So SYSCALL and INT 80 may be
 * executed with any registers. Everything stands at addresses that tests do not reach by chance.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

#define PAGE 4096UL
#define DATA 0x10000000UL /* two pages to write, one to read; none before and after */
#define DATA_PAGES 2
#define CODE 0x20000000UL /* two pages; none after them */
#define CODE_PAGES 2
#define WINDOW 1024
#define INSTRUCTION 16
#define FXSAVE 512
#define XSAVE_HEADER 64
#define YMM_HIGH (FXSAVE + XSAVE_HEADER) /* standard format: SDM vol. 1, 13.4 */
#define XSAVE (YMM_HIGH + 256)
#define X87_SSE 3
#define AVX 4
#define MAX_STEPS 4096
#define TF 0x100
#define NT 0x4000
#define AC 0x40000
#define ID 0x200000
#define TEXT_END (TEXT_START + 0x40000)
#define STRICT_RESTORE_SS 4 /* UC_STRICT_RESTORE_SS */

enum { ES, CS, SS, DS, FS, GS };

struct request {
    uint8_t code[INSTRUCTION];
    uint64_t code_at; /* linear address */
    uint64_t rip;
    uint64_t rflags;
    uint64_t gpr[16];
    uint64_t fs_base; /* used if the selector is null */
    uint64_t gs_base;
    uint64_t data_at; /* linear address of the window */
    uint16_t selector[6];
    uint16_t repeats; /* the instruction may trap and be due again */
    uint16_t reserved;
    uint8_t xs[XSAVE];
    uint8_t data[WINDOW];
};

struct response {
    uint32_t signal;
    uint32_t trap;
    uint64_t error;
    uint64_t cr2;
    uint64_t rip;
    uint64_t rflags;
    uint64_t gpr[16];
    uint64_t fs_base;
    uint64_t gs_base;
    uint64_t outside; /* sum of the words of the data pages outside the window, each times its number */
    uint16_t selector[6];
    uint16_t steps;
    uint16_t reserved;
    uint8_t xs[XSAVE];
    uint8_t data[WINDOW];
};

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static struct request *requests;
static struct response *responses;
static uint32_t count, at;
static size_t capacity;
static gregset_t home;
static uint8_t home_xs[XSAVE];
static uint32_t steps;
static int has_avx;
static uint32_t ticked_at, batches, ticked_batch;
static uint8_t *code_alias; /* the code pages, writable */
static uint8_t alternate[1 << 16] __attribute__((aligned(64)));

// ---- what a C library would give ----

long oracle_syscall(long n, long a, long b, long c, long d, long e, long f);
__asm__(".text\n"
        ".globl oracle_syscall\n"
        "oracle_syscall: mov %rdi, %rax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx\n"
        "mov %r8, %r10; mov %r9, %r8; mov 8(%rsp), %r9; syscall; ret\n"
        ".globl oracle_return\n"
        "oracle_return: mov $15, %eax; syscall\n" /* rt_sigreturn */
        ".globl _start\n"
        "_start: xor %ebp, %ebp; and $-16, %rsp; call oracle_main; hlt\n");
void oracle_return(void);

#define call(...) call_n(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define call_n(n, a, b, c, d, e, f, ...) \
    oracle_syscall(n, (long) (a), (long) (b), (long) (c), (long) (d), (long) (e), (long) (f))

void *memcpy(void *to, const void *from, size_t n) {
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return start;
}

void *memset(void *to, int v, size_t n) {
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(v) : "memory");
    return start;
}

static void die(const char *why) {
    size_t n = 0;
    while (why[n]) {
        n++;
    }
    call(SYS_write, 2, "oracle: ", 8);
    call(SYS_write, 2, why, n);
    call(SYS_write, 2, "\n", 1);
    call(SYS_exit_group, 2);
}

static void read_fully(void *into, size_t n) {
    while (n > 0) {
        long k = call(SYS_read, 0, into, n);
        if (k <= 0) {
            call(SYS_exit_group, 0);
        }
        into = (char *) into + k;
        n -= (size_t) k;
    }
}

static void write_fully(const void *from, size_t n) {
    while (n > 0) {
        long k = call(SYS_write, 1, from, n);
        if (k <= 0) {
            call(SYS_exit_group, 0);
        }
        from = (const char *) from + k;
        n -= (size_t) k;
    }
}

// ---- segments ----

#define get_selector(name) ({ uint16_t v; __asm__ volatile("mov %%" name ", %0" : "=r"(v)); v; })
#define set_selector(name, v) __asm__ volatile("mov %0, %%" name : : "r"((uint32_t) (v)))
#define get_base(name) ({ uint64_t v; __asm__ volatile("rd" name "base %0" : "=r"(v)); v; })
#define set_base(name, v) __asm__ volatile("wr" name "base %0" : : "r"((uint64_t) (v)))

static void fill_packed(greg_t *packed, uint16_t cs, uint16_t ss) {
    *packed = (greg_t) (cs | (uint64_t) ss << 48);
}

/* A signal's return takes these flags not from the context but from where it is called. */
static void keep_flags(uint64_t flags) {
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | (flags & (NT | ID)));
}

// ---- a case ----

static void enter(ucontext_t *u) {
    struct request *q = &requests[at];
    memset((void *) DATA, 0, DATA_PAGES * PAGE);
    memcpy((void *) q->data_at, q->data, WINDOW);
    for (unsigned i = 0; i < INSTRUCTION && q->code_at + i < CODE + CODE_PAGES * PAGE; i++) {
        code_alias[q->code_at - CODE + i] = q->code[i];
    }
    greg_t *g = u->uc_mcontext.gregs;
    for (int i = 0; i < 16; i++) {
        g[order[i]] = (greg_t) q->gpr[i];
    }
    g[REG_RIP] = (greg_t) q->rip;
    g[REG_EFL] = (greg_t) (q->rflags | TF);
    fill_packed(&g[REG_CSGSFS], q->selector[CS], q->selector[SS]);
    u->uc_flags |= STRICT_RESTORE_SS;
    /* bytes 464 to 511 belong to the kernel: they say that an XSAVE header follows */
    uint8_t *xs = (uint8_t *) u->uc_mcontext.fpregs;
    memcpy(xs, q->xs, 464);
    /* what is above AVX gets its initial value */
    *(uint64_t *) (xs + FXSAVE) = has_avx ? X87_SSE | AVX : X87_SSE;
    if (has_avx) {
        memcpy(xs + YMM_HIGH, q->xs + YMM_HIGH, XSAVE - YMM_HIGH);
    }
    steps = 0;
    set_selector("ds", q->selector[DS]);
    set_selector("es", q->selector[ES]);
    set_selector("fs", q->selector[FS]);
    set_selector("gs", q->selector[GS]);
    if ((q->selector[FS] & ~3) == 0) {
        set_base("fs", q->fs_base);
    }
    if ((q->selector[GS] & ~3) == 0) {
        set_base("gs", q->gs_base);
    }
    keep_flags(q->rflags);
}

static void leave(ucontext_t *u, int signo) {
    struct request *q = &requests[at];
    struct response *r = &responses[at];
    greg_t *g = u->uc_mcontext.gregs;
    r->signal = (uint32_t) signo;
    r->trap = (uint32_t) g[REG_TRAPNO];
    r->error = (uint64_t) g[REG_ERR];
    r->cr2 = (uint64_t) g[REG_CR2];
    r->rip = (uint64_t) g[REG_RIP];
    r->rflags = (uint64_t) g[REG_EFL];
    for (int i = 0; i < 16; i++) {
        r->gpr[i] = (uint64_t) g[order[i]];
    }
    r->selector[CS] = (uint16_t) g[REG_CSGSFS];
    r->selector[SS] = (uint16_t) ((uint64_t) g[REG_CSGSFS] >> 48);
    r->selector[DS] = get_selector("ds");
    r->selector[ES] = get_selector("es");
    r->selector[FS] = get_selector("fs");
    r->selector[GS] = get_selector("gs");
    r->fs_base = get_base("fs");
    r->gs_base = get_base("gs");
    r->steps = (uint16_t) steps;
    uint8_t *xs = (uint8_t *) u->uc_mcontext.fpregs;
    memcpy(r->xs, xs, YMM_HIGH);
    if (has_avx && *(uint64_t *) (xs + FXSAVE) & AVX) {
        memcpy(r->xs + YMM_HIGH, xs + YMM_HIGH, XSAVE - YMM_HIGH);
    } else {
        memset(r->xs + YMM_HIGH, 0, XSAVE - YMM_HIGH);
    }
    memcpy(r->data, (void *) q->data_at, WINDOW);
    memset((void *) q->data_at, 0, WINDOW);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < DATA_PAGES * PAGE / 8; i++) {
        sum += ((uint64_t *) DATA)[i] * (i + 1);
    }
    r->outside = sum;
    for (unsigned i = 0; i < INSTRUCTION && q->code_at + i < CODE + CODE_PAGES * PAGE; i++) {
        code_alias[q->code_at - CODE + i] = 0xcc;
    }
}

static void next(ucontext_t *u, int signo) {
    leave(u, signo);
    if (++at < count) {
        enter(u);
        return;
    }
    memcpy(u->uc_mcontext.gregs, home, sizeof home);
    uint8_t *xs = (uint8_t *) u->uc_mcontext.fpregs;
    memcpy(xs, home_xs, 464);
    memcpy(xs + FXSAVE, home_xs + FXSAVE, (has_avx ? XSAVE : YMM_HIGH) - FXSAVE);
    u->uc_flags |= STRICT_RESTORE_SS;
}

static void on_signal(int signo, siginfo_t *info, void *context) {
    (void) info;
    ucontext_t *u = context;
    greg_t *g = u->uc_mcontext.gregs;
    /* the instruction may have set them, and the kernel leaves them: what follows need not be aligned */
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~(uint64_t) (AC | NT | ID));
    if (signo == SIGUSR1) {
        memcpy(home, g, sizeof home);
        memcpy(home_xs, u->uc_mcontext.fpregs, has_avx ? XSAVE : YMM_HIGH);
        at = 0;
        enter(u);
        return;
    }
    struct request *q = &requests[at];
    if (signo == SIGTRAP && q->repeats && g[REG_TRAPNO] == 1 && g[REG_RIP] == (greg_t) q->rip && ++steps < MAX_STEPS) {
        /* a repeated string instruction traps after each round */
        g[REG_EFL] |= TF;
        u->uc_flags |= STRICT_RESTORE_SS;
        keep_flags((uint64_t) g[REG_EFL]);
        return;
    }
    next(u, signo);
}

/* Every now and then: the case that was there at the last tick, too, does not end. */
static void on_tick(int signo, siginfo_t *info, void *context) {
    (void) info;
    ucontext_t *u = context;
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~(uint64_t) (AC | NT | ID));
    u->uc_flags |= STRICT_RESTORE_SS;
    if ((uint64_t) u->uc_mcontext.gregs[REG_RIP] - TEXT_START < TEXT_END - TEXT_START) {
        return;
    }
    if (ticked_at == at && ticked_batch == batches) {
        next(u, signo);
        return;
    }
    ticked_at = at;
    ticked_batch = batches;
    keep_flags((uint64_t) u->uc_mcontext.gregs[REG_EFL]);
}

// ---- the start ----

/* struct sigaction as the kernel has it */
struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

static void handle_signals(void) {
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    if (call(SYS_sigaltstack, &stack, 0)) {
        die("no alternate stack");
    }
    unsigned long flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | 0x04000000; /* SA_RESTORER */
    struct kernel_action action = {on_signal, flags, oracle_return, 1UL << (SIGPROF - 1)};
    struct kernel_action tick = {on_tick, flags | SA_RESTART, oracle_return, 0};
    call(SYS_rt_sigaction, SIGPROF, &tick, 0, 8);
    struct itimerval interval = {{0, 200000}, {0, 200000}};
    call(SYS_setitimer, ITIMER_PROF, &interval, 0);
    const int signals[] = {SIGUSR1, SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        call(SYS_rt_sigaction, signals[i], &action, 0, 8);
    }
}

static void map(uint64_t where, size_t size, int protection, int flags, int fd) {
    if (call(SYS_mmap, where, size, protection, flags | MAP_FIXED_NOREPLACE, fd, 0) != (long) where) {
        die("a fixed address is taken");
    }
}

static void map_memory(void) {
    int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    map(DATA, DATA_PAGES * PAGE, PROT_READ | PROT_WRITE, anonymous, -1);
    map(DATA + DATA_PAGES * PAGE, PAGE, PROT_READ, anonymous, -1);
    int fd = (int) call(SYS_memfd_create, "code", 0);
    call(SYS_ftruncate, fd, CODE_PAGES * PAGE);
    map(CODE, CODE_PAGES * PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
    code_alias = (uint8_t *) call(SYS_mmap, 0, CODE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memset(code_alias, 0xcc, CODE_PAGES * PAGE);
    /* a page never touched would not be present, whatever may be done with it */
    (void) *(volatile uint8_t *) (DATA + DATA_PAGES * PAGE);
}

static void filter_system_calls(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, TEXT_START, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, TEXT_END, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 38),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || call(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        die("no seccomp filter");
    }
}

static void *allocate(size_t n) {
    long p = call(SYS_mmap, 0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p < 0 && p > -4096) {
        die("no memory");
    }
    return (void *) p;
}

/* whether the system keeps the YMM registers: OSXSAVE and AVX */
static int keeps_avx(void) {
    uint32_t a = 1, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (c >> 27 & 3) == 3;
}

void oracle_main(void) {
    uint32_t n;
    has_avx = keeps_avx();
    read_fully(&n, sizeof n);
    for (uint32_t i = 0; i < n; i++) {
        struct user_desc d;
        read_fully(&d, sizeof d);
        if (call(SYS_modify_ldt, 0x11, &d, sizeof d)) {
            die("modify_ldt failed");
        }
    }
    handle_signals();
    map_memory();
    long self = call(SYS_getpid);
    filter_system_calls();
    for (;;) {
        read_fully(&count, sizeof count);
        if (count == 0) {
            continue;
        }
        if (count > capacity) {
            capacity = count;
            requests = allocate(count * sizeof *requests);
            responses = allocate(count * sizeof *responses);
        }
        read_fully(requests, count * sizeof *requests);
        batches++;
        call(SYS_kill, self, SIGUSR1);
        write_fully(responses, count * sizeof *responses);
    }
}
