package serai.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;
import serai.linux.CpuTimeTimer;
import serai.linux.LinuxException;
import serai.linux.MachineCode;
import serai.machine.engine.ProfileSink;
import serai.machine.memory.GuestMemory;

/**
 * Samples where a vCPU's time goes: at ticks of the host's clock in which its thread runs. A guest that waits takes no time.
 *
 * <h2>Where a sample lies</h2>
 *
 * A look at RIP at the next poll would give loops and functions' returns the time of all that polls nowhere. So the thread is interrupted by a
 * signal, and its handler, machine code too, notes the host's address in translated code and of which page that was ({@link HostFrame#CODE_BASE}).
 * It also has the vCPU poll, which then looks up what guest instruction the address was made for, before units come and go.
 *
 * <h2>How exact it is</h2>
 *
 * Within a unit only those instructions are known that something leads to: a sample counts for the last of them before the address. That is the same
 * function, but for units that go on past a call that never returns. What is out of line behind a unit (exits, and jumps that were not linked) counts
 * for its last ones. Time in the VMM (interpreted instructions, TLB misses, translation, devices) counts for where the vCPU is when that is
 * done: one block further on at most.
 */
final class GuestSampler implements AutoCloseable {
    // the buffer that the handler writes: words, then entries
    private static final int HEAD = 0, TAIL = 8, CODE = 16, CODE_SIZE = 24, CONTEXT = 32, OUTSIDE = 40, RUN = 48;
    private static final int ENTRIES = 64, ENTRY_SHIFT = 6;
    /** Entries; each is read at the next poll, so one is nearly always enough. */
    private static final int ROOM = 16;

    private static final int ADDRESS = 0, PAGE = 8, R11 = 16, RETURN = 24, RSP = 32, STACK = 40;
    /** From a context: what a unit's CALL of a routine pushes. */
    private static final int PUSHED = -8;

    /** Less than the tick of any host. */
    private static final long NANOS = 900_000;

    private static final int BELOW = 2, NOT_BELOW = 3, NOT_EQUAL = 5;

    private static boolean installed;

    private final ProfileSink sink;
    private final @Nullable TranslationCache cache;
    private final long buffer;
    private long outside;
    private @Nullable Thread thread;
    private @Nullable CpuTimeTimer timer;

    /**
     * Not running yet.
     *
     * @throws UnsupportedOperationException if this host can't; with a sentence
     */
    GuestSampler(VcpuContext context, @Nullable TranslationCache cache, ProfileSink sink) {
        if (!MachineCode.x86()) {
            throw new UnsupportedOperationException("a profile needs an x86-64 host");
        }
        try {
            install();
        } catch (LinuxException e) {
            throw new UnsupportedOperationException("no profile: " + e.getMessage(), e);
        }
        this.sink = sink;
        this.cache = cache;
        // never freed: a signal may be under way when the vCPU has gone
        buffer = Arena.global().allocate(ENTRIES + (ROOM << ENTRY_SHIFT), 64).address();
        GuestMemory.putLong(buffer + CONTEXT, context.base);
        GuestMemory.putLong(buffer + RUN, context.base + HostFrame.RUN);
        if (cache != null) {
            GuestMemory.putLong(buffer + CODE, cache.runsFrom());
            GuestMemory.putLong(buffer + CODE_SIZE, cache.runsTo() - cache.runsFrom());
        }
    }

    private static synchronized void install() throws LinuxException {
        if (!installed) {
            CpuTimeTimer.handler(handler());
            installed = true;
        }
    }

    /** {@code void handler(int signal, siginfo_t *, ucontext_t *)}. */
    private static byte[] handler() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment page = arena.allocate(4096);
            Assembler a = new Assembler(page.address(), 0);
            a.mem(0, false, 0, 0x83, 7, Assembler.RSI, Assembler.NONE, 0, CpuTimeTimer.SI_CODE); // cmp
            a.byte1(CpuTimeTimer.SI_TIMER);
            long other = a.jump(NOT_EQUAL);
            a.load(Assembler.RAX, Assembler.RSI, CpuTimeTimer.SI_VALUE);
            a.load(Assembler.R8, Assembler.RAX, RUN);
            a.mem(0, false, 0, 0xc7, 0, Assembler.R8, Assembler.NONE, 0, 0); // mov
            a.int4(0);
            a.load(Assembler.RCX, Assembler.RDX, CpuTimeTimer.UCONTEXT_RIP);
            a.move(Assembler.R8, Assembler.RCX);
            a.mem(0, true, 0, 0x2b, Assembler.R8, Assembler.RAX, Assembler.NONE, 0, CODE); // sub
            a.mem(0, true, 0, 0x3b, Assembler.R8, Assembler.RAX, Assembler.NONE, 0, CODE_SIZE); // cmp
            long inside = a.jump(BELOW);
            long count = a.at();
            a.mem(0, true, 0, 0xff, 0, Assembler.RAX, Assembler.NONE, 0, OUTSIDE); // inc
            a.byte1(0xc3);
            a.patch(inside, a.at());
            a.load(Assembler.R8, Assembler.RAX, HEAD);
            a.move(Assembler.R9, Assembler.R8);
            a.mem(0, true, 0, 0x2b, Assembler.R9, Assembler.RAX, Assembler.NONE, 0, TAIL);
            a.compare(Assembler.R9, ROOM);
            a.patch(a.jump(NOT_BELOW), count);
            a.move(Assembler.R9, Assembler.R8);
            a.and32(Assembler.R9, ROOM - 1);
            a.op(0, true, 0, 0xc1, 4, Assembler.R9); // shl
            a.byte1(ENTRY_SHIFT);
            a.lea(Assembler.R9, Assembler.RAX, Assembler.R9, 0, ENTRIES);
            a.store(Assembler.R9, ADDRESS, Assembler.RCX);
            a.load(Assembler.R10, Assembler.RAX, CONTEXT);
            a.load(Assembler.RCX, Assembler.R10, HostFrame.CODE_BASE);
            a.store(Assembler.R9, PAGE, Assembler.RCX);
            a.load(Assembler.RCX, Assembler.RDX, CpuTimeTimer.UCONTEXT_R11);
            a.store(Assembler.R9, R11, Assembler.RCX);
            a.load(Assembler.RCX, Assembler.R10, HostFrame.RETURN);
            a.store(Assembler.R9, RETURN, Assembler.RCX);
            a.load(Assembler.RCX, Assembler.RDX, CpuTimeTimer.UCONTEXT_RSP);
            a.store(Assembler.R9, RSP, Assembler.RCX);
            a.load(Assembler.RCX, Assembler.R10, PUSHED);
            a.store(Assembler.R9, STACK, Assembler.RCX);
            a.lea(Assembler.R8, Assembler.R8, Assembler.NONE, 0, 1);
            a.store(Assembler.RAX, HEAD, Assembler.R8);
            a.patch(other, a.at());
            a.byte1(0xc3);
            return page.asSlice(0, a.at() - page.address()).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** The calling thread runs the vCPU. */
    void on() {
        if (thread == Thread.currentThread()) {
            return;
        }
        close();
        thread = Thread.currentThread();
        try {
            timer = CpuTimeTimer.start(NANOS, buffer);
        } catch (LinuxException e) {
            System.getLogger("serai.cpu").log(System.Logger.Level.WARNING, "no profile: " + e.getMessage());
        }
    }

    /** Between two blocks, on the thread that runs the vCPU: hands over what has come. */
    void drain(long linearRip) {
        long count = GuestMemory.getLong(buffer + OUTSIDE);
        for (; outside != count; outside++) {
            sink.sample(linearRip, false);
        }
        // this thread's own handler may add some meanwhile
        long head = GuestMemory.getLong(buffer + HEAD);
        for (long i = GuestMemory.getLong(buffer + TAIL); i != head; i++) {
            resolve(buffer + ENTRIES + ((i & ROOM - 1) << ENTRY_SHIFT), linearRip);
            GuestMemory.putLong(buffer + TAIL, i + 1);
        }
    }

    private void resolve(long entry, long linearRip) {
        TranslationCache c = cache;
        int place =
                c == null ? TranslationCache.UNKNOWN : c.placeOf(GuestMemory.getLong(entry + ADDRESS), returns(entry));
        switch (place) {
            case TranslationCache.ON_THE_WAY -> sink.sample(linearRip, false);
            case TranslationCache.UNKNOWN -> sink.sample(linearRip, true);
            case TranslationCache.ENTRY -> sink.sample(GuestMemory.getLong(entry + R11), true);
            default -> sink.sample(GuestMemory.getLong(entry + PAGE) + place, true);
        }
    }

    /** Where a routine returns to, if that is where the sample is: some take that from the stack. */
    private long returns(long entry) {
        boolean pushed = GuestMemory.getLong(entry + RSP) == GuestMemory.getLong(buffer + CONTEXT) + PUSHED;
        return GuestMemory.getLong(entry + (pushed ? STACK : RETURN));
    }

    @Override
    public void close() {
        if (timer != null) {
            timer.close();
            timer = null;
        }
    }
}
