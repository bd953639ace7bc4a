package serai.linux;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Against a pseudo-terminal: its controlling side is /dev/ptmx, unlocked and opened by ioctl. */
@SuppressWarnings("try")
class TerminalTest {
    private static final long TIOCSPTLCK = 0x40045431L;
    private static final long TIOCGPTPEER = 0x5441L;
    private static final long TIOCSWINSZ = 0x5414L;
    private static final int ICANON_AND_ECHO_AND_ISIG = 2 | 8 | 1;

    private static byte[] settings(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment t = arena.allocate(256);
            assertEquals(0, Libc.tcgetattr(fd, t.address()));
            return t.asSlice(0, 60).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    @Test
    void raw_isTakenAndGivenBack() throws LinuxException {
        try (Arena arena = Arena.ofConfined();
                Fd ptmx = Fd.openDevice(Path.of("/dev/ptmx"))) {
            MemorySegment zero = arena.allocate(8);
            ptmx.ioctl(TIOCSPTLCK, zero.address(), "TIOCSPTLCK");
            try (Fd tty = new Fd(ptmx.ioctl(TIOCGPTPEER, 2 | 0x100 /* O_RDWR, O_NOCTTY */, "TIOCGPTPEER"))) {
                assertTrue(Terminal.isTerminal(tty.number()));
                MemorySegment winsize = arena.allocate(8);
                winsize.set(ValueLayout.JAVA_SHORT, 0, (short) 25);
                winsize.set(ValueLayout.JAVA_SHORT, 2, (short) 80);
                tty.ioctl(TIOCSWINSZ, winsize.address(), "TIOCSWINSZ");
                assertEquals(new Terminal.Size(25, 80), Terminal.size(tty.number()));

                byte[] before = settings(tty.number());
                assertEquals(ICANON_AND_ECHO_AND_ISIG, before[12] & ICANON_AND_ECHO_AND_ISIG);
                try (Terminal t = Terminal.raw(tty.number())) {
                    assertEquals(0, settings(tty.number())[12] & ICANON_AND_ECHO_AND_ISIG);
                    t.close();
                    assertArrayEquals(before, settings(tty.number()));
                }
            }
        }
    }

    @Test
    void aFile_isNoTerminal() throws LinuxException {
        try (Fd zero = Fd.openDevice(Path.of("/dev/zero"))) {
            assertFalse(Terminal.isTerminal(zero.number()));
            LinuxException e = assertThrows(LinuxException.class, () -> Terminal.raw(zero.number()));
            assertEquals("ENOTTY", e.errnoName());
        }
    }
}
