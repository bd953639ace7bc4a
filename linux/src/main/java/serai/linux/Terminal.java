package serai.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The terminal on standard input, made raw for a guest and given back: every key goes to the guest, Ctrl-C too, and
 * nothing is echoed here. Given back by {@link #close}, and at the end of the process whatever ends it short of
 * SIGKILL.
 */
public final class Terminal implements AutoCloseable {
    /**
     * Size of a terminal.
     *
     * @param rows lines, 0 if unknown
     * @param columns characters a line, 0 if unknown
     */
    public record Size(int rows, int columns) {}

    private static final int TCSADRAIN = 1;
    private static final long TIOCGWINSZ = 0x5413;
    /** More than any {@code struct termios}: 60 bytes with glibc. */
    private static final int TERMIOS = 256;

    private final int fd;
    private final MemorySegment before;
    private final AtomicBoolean restored = new AtomicBoolean();
    private final Thread hook;

    private Terminal(int fd, MemorySegment before) {
        this.fd = fd;
        this.before = before;
        this.hook = new Thread(this::restore, "serai-terminal");
    }

    /** Whether the descriptor (0, 1 or 2 mostly) is a terminal. */
    public static boolean isTerminal(int fd) {
        return Libc.isatty(fd);
    }

    /**
     * Makes the terminal raw.
     *
     * @param fd a terminal's descriptor; 0 for standard input
     * @throws LinuxException ENOTTY if it is none
     */
    public static Terminal raw(int fd) throws LinuxException {
        MemorySegment before = Arena.ofAuto().allocate(TERMIOS, 8);
        Libc.check(Libc.tcgetattr(fd, before.address()), "can't ask for the terminal's settings");
        Terminal t = new Terminal(fd, before);
        Runtime.getRuntime().addShutdownHook(t.hook);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment raw = arena.allocate(TERMIOS, 8).copyFrom(before);
            Libc.cfmakeraw(raw.address());
            Libc.check(Libc.tcsetattr(fd, TCSADRAIN, raw.address()), "can't make the terminal raw");
        } catch (LinuxException e) {
            t.close();
            throw e;
        }
        return t;
    }

    /** Rows and columns of the terminal. */
    public static Size size(int fd) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment winsize = arena.allocate(8, 8);
            Libc.check(Libc.ioctl(fd, TIOCGWINSZ, winsize.address()), "can't ask for the terminal's size");
            return new Size(
                    winsize.get(ValueLayout.JAVA_SHORT, 0) & 0xffff, winsize.get(ValueLayout.JAVA_SHORT, 2) & 0xffff);
        }
    }

    private void restore() {
        if (restored.compareAndSet(false, true)) {
            Libc.tcsetattr(fd, TCSADRAIN, before.address());
        }
    }

    /** Gives the terminal back as it was. Does nothing the second time. */
    @Override
    public void close() {
        restore();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // the process is ending and the hook runs or has run
            return;
        }
    }
}
