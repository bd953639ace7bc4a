package serai.cpu;

import org.jspecify.annotations.Nullable;

/**
 * A basic block: decoded instructions that follow each other, up to the first that may not be followed in a straight line. It is known by the
 * physical address of its first byte and the mode it was decoded in, and holds no linear address: code mapped at
 * several places, or by several processes, is decoded once.
 *
 * <p>Where a block ends is a matter of its bytes alone (a row marked {@code end}, or the end of the page), never of where it
 * was entered or how long it has got: interrupts are taken at the same places in a run that was saved and restored in between, as
 * deterministic mode asks.
 */
final class Block {
    final Node[] nodes;
    /** Bytes from the first instruction to the end of the last. */
    final int bytes;

    final long physical;
    /** The mode it was decoded in, {@link Cpu#mode}. */
    final int mode;
    /** Physical page of the tail of an instruction that crosses into another page, or -1. */
    final long tailPage;

    /** Whether it may touch XMM registers. */
    final boolean vectors;

    @Nullable
    Block nextInBucket;

    Block(Node[] nodes, int bytes, long physical, int mode, long tailPage, boolean vectors) {
        this.vectors = vectors;
        this.nodes = nodes;
        this.bytes = bytes;
        this.physical = physical;
        this.mode = mode;
        this.tailPage = tailPage;
    }
}
