// integer: the CRC of 64 KiB by a table of bytes, again and again
#include "lib/program.h"

enum { SIZE = 1 << 16, PASSES = 120 };

static uint32_t table[256];
static uint8_t data[SIZE];

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) {
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0); // the polynomial of IEEE 802.3, bits reversed
        }
        table[i] = c;
    }
    uint64_t state = 1;
    for (int i = 0; i < SIZE; i++) {
        data[i] = (uint8_t) (next(&state) >> 56);
    }
    uint32_t crc = ~0u;
    for (int pass = 0; pass < PASSES; pass++) {
        for (int i = 0; i < SIZE; i++) {
            crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
        }
    }
    return ~crc;
}
