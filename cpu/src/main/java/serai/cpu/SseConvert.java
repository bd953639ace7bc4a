package serai.cpu;

import org.jspecify.annotations.Nullable;

final class SseConvert {
    private SseConvert() {}

    static @Nullable Node make(Decoded d) {
        return null;
    }

    static @Nullable Node makeMmx(Decoded d) {
        return null;
    }

    static SseNodes.@Nullable VectorOp op(Decoded d) {
        return null;
    }
}
