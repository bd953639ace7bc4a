package serai.cpu;

/**
 * Control flow out of an instruction: a fault or trap to deliver, or a retreat of the interpreter. The details are in
 * the vCPU ({@link Cpu#raise}); the object carries no stack trace and there is one of each kind, because guests raise
 * faults by the hundred thousand.
 */
@SuppressWarnings("StaticAssignmentOfThrowable") // they carry no stack trace
final class CpuException extends RuntimeException {
    /** An exception of the architecture; vector and error code are in the vCPU. */
    static final CpuException FAULT = new CpuException("fault");
    /** The instruction touches a device or a page with cached instructions: run it again alone ({@link CpuMemory#alone}). */
    static final CpuException ALONE = new CpuException("alone");
    /** The same while all other vCPUs stand still: a locked operation that no host instruction does at once. */
    static final CpuException EXCLUSIVE = new CpuException("exclusive");
    /** A repeated string instruction has done a part of its work and is to be entered again. */
    static final CpuException AGAIN = new CpuException("again");

    private CpuException(String message) {
        super(message, null, false, false);
    }
}
