package serai.linux;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Machine code of ours in this process, callable from Java. It is never writable and executable at the same time. */
public final class MachineCode {
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int PROT_EXEC = 4;
    private static final int MAP_PRIVATE = 2;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final long PAGE = 4096;

    private MachineCode() {}

    /** Whether machine code for x86-64 can run here; a host may still forbid it, see {@link #link}. */
    public static boolean x86() {
        String arch = System.getProperty("os.arch", "");
        return Linux.available() && (arch.equals("amd64") || arch.equals("x86_64"));
    }

    /**
     * Makes a function of the platform's C calling convention callable, for as long as the process lives. The call must be short and
     * never block: it holds up the garbage collector.
     *
     * @param code position-independent, at most 4,096 bytes
     * @throws LinuxException if the host forbids executable memory
     */
    public static MethodHandle link(byte[] code, FunctionDescriptor type) throws LinuxException {
        return Linker.nativeLinker()
                .downcallHandle(MemorySegment.ofAddress(place(code)), type, Linker.Option.critical(false));
    }

    /** Puts code where it can run, for as long as the process lives: its address. */
    static long place(byte[] code) throws LinuxException {
        if (code.length > PAGE) {
            throw new IllegalArgumentException("code of %d bytes".formatted(code.length));
        }
        long address = Libc.mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (address < 0) {
            throw new LinuxException("can't map memory for machine code", (int) -address);
        }
        MemorySegment page = MemorySegment.ofAddress(address).reinterpret(PAGE);
        MemorySegment.copy(code, 0, page, ValueLayout.JAVA_BYTE, 0, code.length);
        int r = Libc.mprotect(address, PAGE, PROT_READ | PROT_EXEC);
        if (r < 0) {
            Libc.munmap(address, PAGE);
            Libc.check(r, "this host forbids executable memory");
        }
        return address;
    }

    /**
     * What calls a function of the platform's C calling convention whose address is its first argument. The thread counts as being
     * outside Java meanwhile, so the call may last.
     */
    public static MethodHandle caller(FunctionDescriptor type) {
        return Linker.nativeLinker().downcallHandle(type);
    }
}
