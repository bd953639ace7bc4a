package serai.cpu;

/**
 * Control flow out of an instruction: a fault or trap to deliver, or a retreat of the interpreter. The details are in
 * the vCPU ({@link Cpu#raise}); the object carries no stack trace and there is one of each kind, because guests raise
 * faults by the hundred thousand.
 */
final class CpuException extends RuntimeException {
    /** An exception of the architecture; vector and error code are in the vCPU. */
    static final CpuException FAULT = new CpuException("fault");
    /** The instruction wants to write a page with cached instructions: run it again alone. */
    static final CpuException CODE_WRITE = new CpuException("code write");
    /** The vCPU is to leave {@code run} after this instruction. */
    static final CpuException LEAVE = new CpuException("leave");

    private CpuException(String message) {
        super(message, null, false, false);
    }
}
