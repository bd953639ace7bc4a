package serai.cpu;

/**
 * A decoded instruction, ready to run. One object an instruction with a virtual {@code execute} was the fastest of the
 * measured interpreter shapes (203/173/158/118 MIPS against 160/111/108/103 for a switch over instruction objects).
 *
 * <p>A node runs to completion or throws {@link CpuException} having changed nothing that running it again would not
 * change in the same way (faults are restartable). {@link Cpu#rip} is the next instruction's address when it runs, if it is the last
 * of its block; only block-ending nodes look at it or change it.
 */
abstract class Node {
    /** Offset of the instruction from the start of its block, in bytes. */
    int blockOffset;
    /** Length in bytes. */
    int length;
    /** The memory operand is in the stack segment. */
    boolean stackOperand;

    abstract void execute(Cpu c);

    /** Whether it addresses the stack, so that a bad address is #SS and not #GP. */
    boolean stack() {
        return stackOperand;
    }
}
