package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import serai.machine.engine.CpuFeature;

/** Bytes from memory decode as the same bytes asked for one by one, wherever they end. */
class DecoderEntriesTest {
    private static final int CASES = 400_000;
    private static final int[] SIZES = {2, 4, 8};
    private static final int[] PREFIXES = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x64, 0x41, 0x48, 0x4c, 0x4f};

    private final byte[] code = new byte[16];
    private int asked;

    private int at(int offset) {
        asked = Math.max(asked, offset + 1);
        return code[offset] & 0xff;
    }

    @Test
    void bothEntriesAgree() {
        long seed = 20261125;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        List<Decoder> decoders = List.of(
                new Decoder(EnumSet.allOf(CpuFeature.class)),
                new Decoder(EnumSet.range(CpuFeature.FPU, CpuFeature.SSE3)),
                new Decoder(EnumSet.noneOf(CpuFeature.class)));
        Decoded one = new Decoded();
        Decoded other = new Decoded();
        Decoder.Bytes bytes = this::at;
        int[] seen = new int[Decoder.Result.values().length];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(64);
            for (int n = 0; n < CASES; n++) {
                random(random);
                int start = random.nextInt(16);
                MemorySegment.copy(code, 0, memory, ValueLayout.JAVA_BYTE, start, code.length);
                Decoder decoder = decoders.get(random.nextInt(decoders.size()));
                int size = SIZES[random.nextInt(3)];
                int stackSize = SIZES[random.nextInt(3)];
                asked = 0;
                Decoder.Result result = decoder.decode(one, bytes, size, stackSize);
                assertTrue(asked <= 15, "byte " + asked + " of an instruction");
                String before = result == Decoder.Result.OK ? describe(one) : "";
                // all of it; then what ends before, at and behind the last byte that it takes to know
                for (int available : new int[] {4096, asked - 1, asked, asked + 1}) {
                    Decoder.Result expected = available < asked ? Decoder.Result.SHORT : result;
                    if (result == Decoder.Result.TOO_LONG && available < 15) {
                        expected = Decoder.Result.SHORT;
                    }
                    Decoder.Result got = decoder.decode(other, memory.address() + start, available, size, stackSize);
                    String what = Arrays.toString(code) + " in " + size + ", " + available + " available";
                    assertEquals(expected, got, what);
                    seen[got.ordinal()]++;
                    if (got == Decoder.Result.OK) {
                        assertEquals(before, describe(other), what);
                    }
                }
            }
        }
        for (Decoder.Result r : Decoder.Result.values()) {
            assertTrue(seen[r.ordinal()] > 100, r + " " + seen[r.ordinal()] + " times");
        }
    }

    /** Random bytes; three of four start as an instruction does, one of sixteen has nothing but prefixes for long. */
    private void random(Random random) {
        random.nextBytes(code);
        int at = 0;
        int prefixes = random.nextInt(16) == 0 ? 9 + random.nextInt(7) : random.nextInt(3);
        while (at < prefixes) {
            code[at++] = (byte) PREFIXES[random.nextInt(PREFIXES.length)];
        }
        if (at < 13) {
            switch (random.nextInt(4)) {
                case 0 -> code[at] = 0x0f;
                case 1 -> {
                    code[at++] = 0x0f;
                    code[at] = (byte) (random.nextBoolean() ? 0x38 : 0x3a);
                }
                case 2 -> {
                    code[at] = (byte) (0xc4 | random.nextInt(2));
                    code[at + 1] = (byte) (random.nextInt(8) << 5 | 1 + random.nextInt(3));
                }
                default -> {}
            }
        }
    }

    /** All that a decoder says of an instruction. */
    private static String describe(Decoded d) {
        List<Object> all = new ArrayList<>(List.of(
                d.row.source(),
                d.plan.row == d.row,
                d.length,
                d.opSize,
                d.addrSize,
                d.stackSize,
                d.codeSize,
                d.lock,
                d.rep,
                d.opSizePrefix,
                d.rex,
                d.vvvv,
                d.vectorSize,
                d.opcode,
                d.modrm,
                d.immediate,
                d.immediate2,
                d.segment,
                d.segmentOverride));
        for (int i = 0; i < 4; i++) {
            all.add(d.kind[i]);
            switch (d.kind[i]) {
                case REG, SEG, CR, DR, XMM, MM, ST -> all.addAll(List.of(d.operand[i], d.size[i]));
                case MEM -> {
                    int vectorIndex = d.plan.has(RowPlan.VSIB) ? d.vectorIndex : -1;
                    all.addAll(List.of(d.size[i], d.base, d.index, vectorIndex, d.scale, d.disp));
                }
                case IMM, IMM2 -> all.add(d.size[i]);
                case REL, FAR, NONE -> {}
            }
        }
        return all.toString();
    }
}
