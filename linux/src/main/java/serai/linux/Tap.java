package serai.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * An Ethernet interface of the host whose other end is this process (TUN/TAP, {@code Documentation/networking/tuntap.rst}). Non-blocking. Frames go
 * to and from direct buffers, each behind a virtio-net header of 10 bytes if that was asked for (virtio 1.2, 5.1.6, without {@code num_buffers}).
 */
public final class Tap implements AutoCloseable {
    /** Bytes of the header before each frame of an interface that has them. */
    public static final int HEADER = 10;

    private static final Path DEVICE = Path.of("/dev/net/tun");
    private static final long TUNSETIFF = 0x400454ca;
    private static final long TUNSETOFFLOAD = 0x400454d0;
    private static final int IFF_TAP = 2;
    private static final int IFF_NO_PI = 0x1000;
    private static final int IFF_VNET_HDR = 0x4000;
    private static final int TUN_F_CSUM_TSO4_TSO6 = 7;
    private static final int IFNAMSIZ = 16;
    private static final int F_SETFL = 4;
    private static final int O_RDWR_NONBLOCK = 2 | 0x800;

    private final Fd fd;
    private final String name;

    private Tap(Fd fd, String name) {
        this.fd = fd;
        this.name = name;
    }

    /**
     * Makes an interface, or attaches to one that is there for us.
     *
     * @param name 1 to 15 characters; one with {@code %d} becomes a number that is free
     * @param header whether frames have a header, and may be large and without checksum
     * @throws LinuxException EPERM without the right to
     */
    public static Tap open(String name, boolean header) throws LinuxException {
        byte[] bytes = name.getBytes(StandardCharsets.US_ASCII);
        if (bytes.length == 0 || bytes.length >= IFNAMSIZ) {
            throw new IllegalArgumentException("the name of an interface has 1 to 15 characters, not '" + name + "'");
        }
        Fd fd = Fd.openDevice(DEVICE);
        try (Arena arena = Arena.ofConfined()) {
            // struct ifreq: name, flags @16
            MemorySegment request = arena.allocate(40, 8);
            MemorySegment.copy(bytes, 0, request, ValueLayout.JAVA_BYTE, 0, bytes.length);
            int flags = IFF_TAP | IFF_NO_PI | (header ? IFF_VNET_HDR : 0);
            request.set(ValueLayout.JAVA_SHORT, IFNAMSIZ, (short) flags);
            int unused = fd.ioctl(TUNSETIFF, request.address(), "can't make the interface " + name);
            if (header) {
                unused = fd.ioctl(TUNSETOFFLOAD, TUN_F_CSUM_TSO4_TSO6, "can't have large frames on " + name);
            }
            unused = Libc.check(Libc.fcntl(fd.number(), F_SETFL, O_RDWR_NONBLOCK), "can't set flags of " + name);
            return new Tap(fd, request.getString(0, StandardCharsets.US_ASCII));
        } catch (LinuxException | RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    /** What the host calls it. */
    public String name() {
        return name;
    }

    /** The descriptor, to poll. */
    public int fd() {
        return fd.number();
    }

    /**
     * The next frame that the host sends.
     *
     * @param into direct; filled from its position, which is moved
     * @return false if there is none
     */
    public boolean read(ByteBuffer into) throws LinuxException {
        MemorySegment s = MemorySegment.ofBuffer(into);
        long n = Libc.read(fd.number(), s.address(), s.byteSize());
        if (n == -Errno.EAGAIN || n == -Errno.EINTR) {
            return false;
        }
        if (n < 0) {
            throw new LinuxException("can't read from " + name, (int) -n);
        }
        into.position(into.position() + (int) n);
        return true;
    }

    /**
     * Gives the host a frame.
     *
     * @param frame direct; from position to limit
     * @return false if the host has no room, or the interface is down
     */
    public boolean write(ByteBuffer frame) throws LinuxException {
        MemorySegment s = MemorySegment.ofBuffer(frame);
        long n = Libc.write(fd.number(), s.address(), s.byteSize());
        if (n == -Errno.EAGAIN || n == -Errno.EINTR || n == -Errno.EIO) { // EIO: it is down
            return false;
        }
        if (n < 0) {
            throw new LinuxException("can't write to " + name, (int) -n);
        }
        return true;
    }

    @Override
    public void close() {
        fd.close();
    }
}
