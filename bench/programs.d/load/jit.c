/*
 * Makes functions in machine code and calls them, as a just-in-time compiler does: ever new ones, which depend on its argument. Each
 * result is compared with that of the same operations in C; the status tells whether they were equal.
 *
 * There are three kinds of memory for it, in turns: the code of before is overwritten where it lies, memory that is writable and
 * executable at once; new memory each time; and memory that is made executable when it has been written.
 */
#include "lib/program.h"

enum { GENERATIONS = 45, FUNCTIONS = 300, LONGEST = 24, SIZE = 512 * 1024, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };

enum { ADD, XOR, MULTIPLY, ROTATE, ADD_ARGUMENT, SUBTRACT_ARGUMENT, IF_BITS, ADDRESS, KINDS };

typedef struct {
    uint8_t kind;
    uint32_t value;
} Operation;

typedef struct {
    Operation operations[LONGEST];
    int length;
    uint32_t turns;
    uint64_t (*code)(uint64_t);
} Function;

static Function functions[FUNCTIONS];

static uint8_t *put(uint8_t *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) {
        *at++ = (uint8_t) (value >> 8 * i);
    }
    return at;
}

/* Encodings: SDM volume 2; the argument is in rdi, the result in rax, the count of turns in ecx. */
static uint8_t *emit(uint8_t *at, Operation o) {
    switch (o.kind) {
    case ADD: return put(put(at, 0x0548, 2), o.value, 4);                // add rax, imm32
    case XOR: return put(put(at, 0x3548, 2), o.value, 4);                // xor rax, imm32
    case MULTIPLY: return put(put(at, 0xc06948, 3), o.value, 4);         // imul rax, rax, imm32
    case ROTATE: return put(put(at, 0xc0c148, 3), o.value & 63, 1);      // rol rax, imm8
    case ADD_ARGUMENT: return put(at, 0xf80148, 3);                      // add rax, rdi
    case SUBTRACT_ARGUMENT: return put(at, 0xf82948, 3);                 // sub rax, rdi
    case IF_BITS:
        at = put(put(at, 0xa8, 1), o.value & 0xff, 1);                   // test al, imm8
        at = put(at, 0x0674, 2);                                         // jz past the next
        return put(put(at, 0x0548, 2), o.value, 4);                      // add rax, imm32
    default: return put(put(at, 0xb8848d48, 4), o.value, 4);             // lea rax, [rax + rdi * 4 + disp32]
    }
}

static uint64_t evaluate(uint64_t a, uint64_t argument, Operation o) {
    uint64_t value = (uint64_t) (int64_t) (int32_t) o.value;
    unsigned count = o.value & 63;
    switch (o.kind) {
    case ADD: return a + value;
    case XOR: return a ^ value;
    case MULTIPLY: return a * value;
    case ROTATE: return count == 0 ? a : a << count | a >> (64 - count);
    case ADD_ARGUMENT: return a + argument;
    case SUBTRACT_ARGUMENT: return a - argument;
    case IF_BITS: return (a & o.value & 0xff) != 0 ? a + value : a;
    default: return a + argument * 4 + value;
    }
}

static uint8_t *compile(Function *f, uint8_t *at) {
    f->code = (uint64_t (*)(uint64_t)) at;
    at = put(at, 0xf88948, 3);                                           // mov rax, rdi
    at = put(put(at, 0xb9, 1), f->turns, 4);                             // mov ecx, imm32
    uint8_t *loop = at;
    for (int i = 0; i < f->length; i++) {
        at = emit(at, f->operations[i]);
    }
    at = put(at, 0xc9ff, 2);                                             // dec ecx
    at = put(at, 0x850f, 2);                                             // jnz loop
    at = put(at, (uint64_t) (loop - (at + 4)), 4);
    return put(at, 0xc3, 1);                                             // ret
}

static uint64_t call(const Function *f, uint64_t argument) {
    uint64_t a = argument;
    for (uint32_t turn = 0; turn < f->turns; turn++) {
        for (int i = 0; i < f->length; i++) {
            a = evaluate(a, argument, f->operations[i]);
        }
    }
    return a;
}

static uint8_t *map(int protection) {
    return (uint8_t *) call6(MMAP, 0, SIZE, protection, 0x22 /* MAP_PRIVATE | MAP_ANONYMOUS */, -1, 0);
}

static void generate(uint64_t *state) {
    for (int n = 0; n < FUNCTIONS; n++) {
        Function *f = &functions[n];
        f->length = 4 + (int) (next(state) % (LONGEST - 3));
        f->turns = 1 + (uint32_t) (next(state) % 20);
        for (int i = 0; i < f->length; i++) {
            uint64_t r = next(state);
            f->operations[i] = (Operation){(uint8_t) ((r >> 56) % KINDS), (uint32_t) r};
        }
    }
}

static uint64_t run(int argc, char **argv) {
    uint64_t state = 0x9e3779b97f4a7c15ULL;
    for (const char *c = argc > 1 ? argv[1] : ""; *c != 0; c++) {
        state = mix(state, (uint64_t) *c) | 1;
    }
    uint8_t *same = map(PROT_READ | PROT_WRITE | PROT_EXEC);
    for (int generation = 0; generation < GENERATIONS; generation++) {
        int kind = generation % 3;
        uint8_t *memory = kind == 0 ? same : map(PROT_READ | PROT_WRITE | (kind == 1 ? PROT_EXEC : 0));
        uint8_t *at = memory;
        generate(&state);
        for (int n = 0; n < FUNCTIONS; n++) {
            at = compile(&functions[n], at);
        }
        if (kind == 2) {
            call3(MPROTECT, (long) memory, SIZE, PROT_READ | PROT_EXEC);
        }
        for (int turn = 0; turn < 3; turn++) {
            for (int n = 0; n < FUNCTIONS; n++) {
                uint64_t argument = next(&state);
                if (functions[n].code(argument) != call(&functions[n], argument)) {
                    call3(EXIT_GROUP, 1, 0, 0);
                }
            }
        }
        if (memory != same) {
            call3(MUNMAP, (long) memory, SIZE, 0);
        }
    }
    return 0;
}
