package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.PackedLanes.Lane;
import serai.cpu.SseNodes.VectorOp;

/** Packed integers in XMM registers. */
final class SseInteger {
    private SseInteger() {}

    static @Nullable VectorOp op(Decoded d) {
        String mnemonic = d.row.operation();
        // those of the string functions of C libraries, without the second call
        switch (mnemonic) {
            case "PXOR", "XORPS":
                return (c, x, low, high) -> {
                    c.vec[x] ^= low;
                    c.vec[x + 1] ^= high;
                };
            case "POR":
                return (c, x, low, high) -> {
                    c.vec[x] |= low;
                    c.vec[x + 1] |= high;
                };
            case "PAND":
                return (c, x, low, high) -> {
                    c.vec[x] &= low;
                    c.vec[x + 1] &= high;
                };
            case "PCMPEQB":
                return (c, x, low, high) -> {
                    c.vec[x] = PackedLanes.equalBytes(c.vec[x], low);
                    c.vec[x + 1] = PackedLanes.equalBytes(c.vec[x + 1], high);
                };
            case "PMINUB":
                return (c, x, low, high) -> {
                    c.vec[x] = PackedLanes.minimumBytes(c.vec[x], low);
                    c.vec[x + 1] = PackedLanes.minimumBytes(c.vec[x + 1], high);
                };
            default:
        }
        Lane lane = PackedLanes.of(mnemonic);
        if (lane != null) {
            return (c, x, low, high) -> {
                c.vec[x] = lane.apply(c.vec[x], low);
                c.vec[x + 1] = lane.apply(c.vec[x + 1], high);
            };
        }
        Lane shift = PackedLanes.shift(mnemonic);
        if (shift != null) {
            return (c, x, count, ignored) -> {
                c.vec[x] = shift.apply(c.vec[x], count);
                c.vec[x + 1] = shift.apply(c.vec[x + 1], count);
            };
        }
        return switch (mnemonic) {
            case "PACKSSWB" ->
                (c, x, low, high) -> {
                    c.vec[x] = PackedLanes.packSignedBytes(c.vec[x], c.vec[x + 1]);
                    c.vec[x + 1] = PackedLanes.packSignedBytes(low, high);
                };
            case "PACKUSWB" ->
                (c, x, low, high) -> {
                    c.vec[x] = PackedLanes.packUnsignedBytes(c.vec[x], c.vec[x + 1]);
                    c.vec[x + 1] = PackedLanes.packUnsignedBytes(low, high);
                };
            case "PACKSSDW" ->
                (c, x, low, high) -> {
                    c.vec[x] = PackedLanes.packSignedWords(c.vec[x], c.vec[x + 1]);
                    c.vec[x + 1] = PackedLanes.packSignedWords(low, high);
                };
            case "PHADDW", "PHADDSW", "PHSUBW", "PHSUBSW" -> {
                var f = MmxNodes.horizontal(mnemonic);
                yield (c, x, low, high) -> {
                    c.vec[x] = PackedLanes.horizontalWords(c.vec[x], f)
                            | PackedLanes.horizontalWords(c.vec[x + 1], f) << 32;
                    c.vec[x + 1] = PackedLanes.horizontalWords(low, f) | PackedLanes.horizontalWords(high, f) << 32;
                };
            }
            case "PHADDD", "PHSUBD" -> {
                var f = MmxNodes.horizontal(mnemonic);
                yield (c, x, low, high) -> {
                    c.vec[x] = PackedLanes.horizontalDwords(c.vec[x], f)
                            | PackedLanes.horizontalDwords(c.vec[x + 1], f) << 32;
                    c.vec[x + 1] = PackedLanes.horizontalDwords(low, f) | PackedLanes.horizontalDwords(high, f) << 32;
                };
            }
            default -> null;
        };
    }
}
