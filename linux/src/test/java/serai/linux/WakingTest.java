package serai.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.concurrent.Exchanger;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class WakingTest {
    @Test
    void eventFd_pollsReadableUntilTaken() throws LinuxException {
        try (EventFd e = EventFd.create();
                EventFd f = EventFd.create()) {
            assertEquals(0, Poll.readable(0, e.fd(), f.fd()));
            f.signal();
            f.signal();
            assertEquals(2, Poll.readable(-1, e.fd(), f.fd()));
            assertEquals(2, f.take());
            assertEquals(0, f.take());
            assertEquals(0, Poll.readable(5, -1, f.fd()));
        }
    }

    @Test
    void interruptSystemCall_endsABlockingCallWithEintr() throws Exception {
        Exchanger<HostThread> at = new Exchanger<>();
        AtomicInteger result = new AtomicInteger();
        Thread t = new Thread(() -> {
            try {
                at.exchange(HostThread.current());
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            result.set(Libc.poll(0, 0, 20_000));
        });
        t.start();
        HostThread target = at.exchange(HostThread.current());
        while (t.isAlive()) { // a signal before the call interrupts nothing
            target.interruptSystemCall();
            t.join(1);
        }
        assertEquals(-Errno.EINTR, result.get());
        target.interruptSystemCall(); // it has ended: no effect
    }

    @Test
    void interruptSystemCall_doesNotHarmJavaCode() throws Exception {
        HostThread self = HostThread.current();
        Thread t = new Thread(() -> {
            for (int i = 0; i < 2000; i++) {
                self.interruptSystemCall();
            }
        });
        t.start();
        long sum = 0;
        while (t.isAlive()) {
            sum += System.identityHashCode(new Object());
        }
        assertTrue(sum > 0);
    }

    @Test
    void ioctl_carriesTheErrno() throws LinuxException {
        assertEquals(-Errno.EBADF, new Fd(-1).ioctl(0, 0));
        try (Fd zero = Fd.openDevice(Path.of("/dev/zero"))) {
            LinuxException e = assertThrows(LinuxException.class, () -> zero.ioctl(0x5401, 0, "TCGETS"));
            assertEquals("TCGETS: not a terminal, or an unknown request (ENOTTY)", e.getMessage());
        }
        assertThrows(LinuxException.class, () -> Fd.openDevice(Path.of("/dev/no such device")));
    }
}
