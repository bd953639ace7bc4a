package serai.cpu;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.Watchpoint;
import serai.machine.memory.GuestMemory;

/**
 * Debug registers (SDM vol. 3, 18.2) and the debugger's breakpoints and watchpoints, which work by the same means.
 *
 * <h2>Data</h2>
 *
 * A page with a data breakpoint is never in a TLB table ({@link CpuTlb#watching}), so that every access to it takes the slow path, which
 * asks here; other pages are as fast as ever. A hit has its instruction run alone, and the trap, or the debugger's stop, comes right
 * behind it.
 *
 * <h2>Code</h2>
 *
 * While an instruction breakpoint is enabled, the interpreter looks before each block whether one lies in it, and only then goes by the
 * instruction. Translated code goes on wherever there is none in the page: all ways into a page lead through the jump tables, which
 * have nothing of a page with one ({@link #codeInPage}), and are emptied when breakpoints change.
 */
final class CpuDebug {
    /** Bits of DR6 (18.2.3) beside B0 to B3. */
    static final int BD = 1 << 13, BS = 1 << 14;

    static final int DR6_RESET = 0xffff0ff0;
    private static final int DR6_WRITABLE = 0xe00f;
    /** Without RTM (bit 11). */
    private static final int DR7_WRITABLE = 0x23ff;

    static final int GENERAL_DETECT = 1 << 13;
    /** In {@link #pending}: traps of which DR6 has the bits. */
    private static final int RESTORED = 1 << 31;

    private static final int EXECUTE = 0, WRITE = 1, PORT = 2;
    private static final int[] LENGTHS = {1, 2, 8, 4};

    /** A data breakpoint of the debug registers. */
    private record Data(Watchpoint range, int dr6) {}

    private final Cpu c;
    private List<Data> data = List.of();
    private List<Watchpoint> watchpoints = List.of();
    private long[] debuggerCode = {};
    private boolean guestCode;
    private boolean ports;
    /** Bits of DR6 for traps that are due before the next instruction; 0 if there are none. */
    private int pending;

    private @Nullable Watchpoint hit;

    CpuDebug(Cpu c) {
        this.c = c;
    }

    // ---- registers ----

    private int index(int n) {
        if ((n == 4 || n == 5) && (c.cr4 & CpuRegisters.CR4_DE) != 0) {
            throw c.fault(CpuSegments.UD, 0);
        }
        if (c.cpl != 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
        if ((c.dr[5] & GENERAL_DETECT) != 0) {
            c.dr[4] |= BD;
            throw c.fault(CpuEvents.DB, 0);
        }
        // DR4 and DR5 are DR6 and DR7
        return n > 5 ? n - 2 : n;
    }

    /** MOV from DR{@code n}. */
    long read(int n) {
        return c.dr[index(n)];
    }

    /** MOV to DR{@code n}. */
    void write(int n, long v) {
        int i = index(n);
        if (i >= 4 && v >>> 32 != 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
        c.dr[i] = switch (i) {
            case 4 -> v & DR6_WRITABLE | DR6_RESET & 0xffffffffL;
            case 5 -> v & 0xffff0000L | v & DR7_WRITABLE | 0x400;
            default -> v;
        };
        changed();
    }

    /** Debug registers, CR4.DE or the debugger's list have changed. */
    void changed() {
        List<Data> found = new ArrayList<>();
        boolean hadCode = guestCode;
        guestCode = false;
        ports = false;
        for (int i = 0; i < 4; i++) {
            if ((c.dr[5] >>> i * 2 & 3) == 0) {
                continue;
            }
            int control = (int) (c.dr[5] >>> 16 + i * 4) & 15;
            int length = LENGTHS[control >>> 2];
            switch (control & 3) {
                case EXECUTE -> guestCode = true;
                case PORT -> ports |= (c.cr4 & CpuRegisters.CR4_DE) != 0;
                default -> {
                    Watchpoint.Kind kind = (control & 3) == WRITE ? Watchpoint.Kind.WRITE : Watchpoint.Kind.ACCESS;
                    found.add(new Data(new Watchpoint(c.dr[i] & -length, length, kind), 1 << i));
                }
            }
        }
        data = found;
        if (guestCode || hadCode) {
            c.codeBreakpointsChanged();
        }
        boolean watching = !data.isEmpty() || !watchpoints.isEmpty();
        if (watching || c.watching) {
            c.watching = watching;
            c.flushTlb();
        }
        c.checkInterrupts();
    }

    // ---- the debugger ----

    void breakpoints(long[] linear) {
        debuggerCode = linear.clone();
        c.codeBreakpointsChanged();
        c.checkInterrupts();
    }

    void watchpoints(List<Watchpoint> list) {
        watchpoints = List.copyOf(list);
        hit = null;
        changed();
    }

    /** The watchpoint that was hit and has not been told of. */
    @Nullable
    Watchpoint takeHit() {
        Watchpoint w = hit;
        hit = null;
        return w;
    }

    boolean hasHit() {
        return hit != null;
    }

    // ---- data ----

    /** Whether a data breakpoint lies in the page at {@code page}. */
    boolean inPage(long page) {
        for (Data d : data) {
            if (d.range.hit(page, 4096, true)) {
                return true;
            }
        }
        for (Watchpoint w : watchpoints) {
            if (w.hit(page, 4096, w.kind() != Watchpoint.Kind.READ)) {
                return true;
            }
        }
        return false;
    }

    /** An access that is about to be made and can't fault any more. */
    void access(long linear, int size, boolean write) {
        int bits = 0;
        for (Data d : data) {
            if (d.range.hit(linear, size, write)) {
                bits |= d.dr6;
            }
        }
        Watchpoint found = null;
        for (Watchpoint w : watchpoints) {
            if (w.hit(linear, size, write)) {
                found = w;
            }
        }
        if (bits == 0 && found == null) {
            return;
        }
        c.aloneForUpdate();
        if (found != null) {
            hit = found;
            c.checkInterrupts();
        }
        if (bits != 0) {
            trap(bits);
        }
    }

    /** An access to a port (CR4.DE). */
    void port(int port, int size) {
        if (!ports) {
            return;
        }
        int bits = 0;
        for (int i = 0; i < 4; i++) {
            int control = (int) (c.dr[5] >>> 16 + i * 4) & 15;
            int length = LENGTHS[control >>> 2];
            long at = c.dr[i] & -length;
            if ((c.dr[5] >>> i * 2 & 3) != 0
                    && (control & 3) == PORT
                    && Long.compareUnsigned(at, port + size - 1) <= 0
                    && Long.compareUnsigned(at + length - 1, port) >= 0) {
                bits |= 1 << i;
            }
        }
        if (bits != 0) {
            c.aloneForUpdate();
            trap(bits);
        }
    }

    // ---- traps ----

    /** A trap is due before the next instruction. */
    void trap(int dr6) {
        pending |= dr6;
        c.checkInterrupts();
    }

    boolean pending() {
        return pending != 0;
    }

    /** Moves the pending traps into DR6; the caller delivers #DB. */
    void take() {
        c.dr[4] |= pending & ~RESTORED;
        pending = 0;
    }

    /** The debug registers as a saved state has them: DR6 with the traps that are pending. */
    long[] saved() {
        long[] dr = c.dr.clone();
        dr[4] |= pending & ~RESTORED;
        return dr;
    }

    /** A trap is pending that DR6 tells of already. */
    void restorePending() {
        trap(RESTORED);
    }

    /** The instruction that hit something has faulted, or the CPU is reset. */
    void drop() {
        pending = 0;
        hit = null;
    }

    // ---- code ----

    /** Whether instruction breakpoints are enabled, by the guest or the debugger. */
    boolean code() {
        return guestCode || debuggerCode.length > 0;
    }

    /** Whether an instruction breakpoint lies in {@code bytes} at {@code linear}. */
    boolean codeIn(long linear, int bytes) {
        for (long b : debuggerCode) {
            if (Long.compareUnsigned(b - linear, bytes) < 0) {
                return true;
            }
        }
        if (guestCode) {
            for (int i = 0; i < 4; i++) {
                if (executes(i) && Long.compareUnsigned(c.dr[i] - linear, bytes) < 0) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Whether an instruction breakpoint lies in the page of {@code linear}. */
    boolean codeInPage(long linear) {
        return code() && codeIn(linear & -GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE);
    }

    private boolean executes(int i) {
        return (c.dr[5] >>> i * 2 & 3) != 0 && (c.dr[5] >>> 16 + i * 4 & 3) == EXECUTE;
    }

    boolean debuggerStopsAt(long linear) {
        for (long b : debuggerCode) {
            if (b == linear) {
                return true;
            }
        }
        return false;
    }

    /** Whether a debug register stops before the instruction at {@code linear} (18.3.1.1); notes it in DR6. */
    boolean guestStopsAt(long linear) {
        if (!guestCode) {
            return false;
        }
        boolean stops = false;
        for (int i = 0; i < 4; i++) {
            if (executes(i) && c.dr[i] == linear) {
                c.dr[4] |= 1L << i;
                stops = true;
            }
        }
        return stops;
    }
}
