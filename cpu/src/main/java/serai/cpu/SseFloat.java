package serai.cpu;

import org.jspecify.annotations.Nullable;

final class SseFloat {
    private SseFloat() {}

    static @Nullable Node make(Decoded d) {
        return null;
    }

    static SseNodes.@Nullable VectorOp op(Decoded d) {
        return null;
    }
}
