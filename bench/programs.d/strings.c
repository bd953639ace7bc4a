// strings: length, byte and word looked for in lines of text, a byte at a time
#include "lib/program.h"

enum { SIZE = 1 << 16, PASSES = 72 };

static char text[SIZE];

__attribute__((noipa)) static size_t length(const char *s) {
    const char *end = s;
    while (*end) {
        end++;
    }
    return (size_t) (end - s);
}

__attribute__((noipa)) static size_t index_of(const char *s, size_t count, char wanted) {
    size_t i = 0;
    while (i < count && s[i] != wanted) {
        i++;
    }
    return i;
}

__attribute__((noipa)) static const char *find(const char *s, const char *word) {
    for (; *s; s++) {
        size_t i = 0;
        while (word[i] && s[i] == word[i]) {
            i++;
        }
        if (!word[i]) {
            return s;
        }
    }
    return s;
}

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t state = 17, sum = 0;
    for (int i = 0; i < SIZE; i++) { // words of a to h, lines of about 64 bytes, each ended by a zero
        uint64_t r = next(&state) >> 58;
        text[i] = r == 0 ? 0 : r < 10 ? ' ' : (char) ('a' + r % 8);
    }
    text[SIZE - 1] = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        char word[] = {(char) ('a' + pass % 8), 'b', (char) ('a' + pass % 3), 0};
        for (const char *line = text; line < text + SIZE; ) {
            size_t n = length(line);
            sum = mix(sum, index_of(line, n, 'h'));
            sum = mix(sum, (uint64_t) (find(line, word) - line));
            line += n + 1;
        }
    }
    return sum;
}
