package serai.storage.nbd;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import serai.storage.BlockDevice;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/**
 * A disk that an NBD server has.
 *
 * <p>When a connection is lost, requests fail with an {@link IOException} that says so; with {@link Options#retry} they are sent again, over a new
 * connection, for so long. A server that was started anew may have lost what was written and not flushed before. So the first flush
 * after a loss fails, if there had been such writes: whoever relies on the flush has to know.
 */
public final class NbdDisk implements BlockDevice {
    /**
     * How a server is used.
     *
     * @param connections at most; one if the server does not say that several see the same disk. 1 to 16
     * @param readOnly whether the disk is read-only even if the server lets us write
     * @param retry how long requests whose connection is lost are tried again; zero: not at all
     * @param timeout how long a server may leave all requests without a reply, or stand still in the middle of one, before the connection
     *     counts as lost
     */
    public record Options(int connections, boolean readOnly, Duration retry, Duration timeout) {
        /** One connection, writable if the server has it so, no retry, 2 minutes for a reply. */
        public static final Options DEFAULT = new Options(1, false, Duration.ZERO, Duration.ofMinutes(2));

        /** Refuses numbers that are out of range. */
        public Options {
            if (connections < 1 || connections > 16 || retry.isNegative() || !timeout.isPositive()) {
                throw new IllegalArgumentException("1 to 16 connections, no negative time to retry, some for a reply");
            }
        }

        /** The same with so many connections. */
        public Options connections(int most) {
            return new Options(most, readOnly, retry, timeout);
        }

        /** The same, for reading. */
        public Options forReading() {
            return new Options(connections, true, retry, timeout);
        }

        /** The same, trying again for so long. */
        public Options retry(Duration time) {
            return new Options(connections, readOnly, time, timeout);
        }

        /** The same with another time for a reply. */
        public Options timeout(Duration time) {
            return new Options(connections, readOnly, retry, time);
        }
    }

    /** Bytes of a request without data: a length has 32 bits, and a server should have an answer soon. */
    private static final long MAX_EFFECT = 1L << 30;

    private final Links links;
    private final ServerFacts facts;
    private final boolean readOnly;
    /** Writes that the server has replied to, and how many of these a flush has covered. */
    private final AtomicLong written = new AtomicLong();

    private final AtomicLong flushed = new AtomicLong();
    /** A connection was lost when not all writes were flushed, and no flush has said so yet. */
    private final AtomicBoolean mayLack = new AtomicBoolean();

    private NbdDisk(NbdUri uri, Options options) throws IOException {
        links = new Links(uri, options, () -> {
            if (written.get() > flushed.get()) {
                mayLack.set(true);
            }
        });
        facts = links.facts();
        readOnly = options.readOnly || facts.has(Nbd.FLAG_READ_ONLY);
    }

    /**
     * Connects to a server.
     *
     * @throws serai.storage.DiskException if it has no such export, or one that can't be a disk here
     * @throws IOException if there is no server
     */
    public static NbdDisk connect(NbdUri uri, Options options) throws IOException {
        return new NbdDisk(uri, options);
    }

    @Override
    public long size() {
        return facts.size();
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        for (long done = 0; done < length; ) {
            long n = Math.min(length - done, facts.maxPayload());
            succeed(request(Nbd.CMD_READ, 0, position + done, hostAddress + done, n));
            done += n;
        }
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        checkWrite(position, length);
        for (long done = 0; done < length; ) {
            long n = Math.min(length - done, facts.maxPayload());
            succeed(request(Nbd.CMD_WRITE, 0, position + done, hostAddress + done, n));
            done += n;
        }
    }

    private void checkWrite(long position, long length) throws IOException {
        BlockDevice.check(this, position, length);
        if (readOnly) {
            throw new IOException(links + " is read-only");
        }
    }

    @Override
    public void flush() throws IOException {
        if (!facts.has(Nbd.FLAG_SEND_FLUSH)) {
            return; // the server has no cache that it knows of
        }
        long covered = written.get();
        succeed(request(Nbd.CMD_FLUSH, 0, 0, 0, 0));
        flushed.accumulateAndGet(covered, Math::max);
    }

    @Override
    public void discard(long position, long length) throws IOException {
        checkWrite(position, length);
        if (facts.has(Nbd.FLAG_SEND_TRIM)) {
            inSteps(Nbd.CMD_TRIM, 0, position, length);
        }
    }

    @Override
    public void zero(long position, long length, boolean mayFree) throws IOException {
        checkWrite(position, length);
        if (facts.has(Nbd.FLAG_SEND_WRITE_ZEROES)) {
            inSteps(Nbd.CMD_WRITE_ZEROES, mayFree ? 0 : Nbd.CMD_FLAG_NO_HOLE, position, length);
            return;
        }
        try (NativeBuffer zeros = new NativeBuffer(Math.clamp(length, 1, 1 << 20))) {
            for (long done = 0; done < length; done += 1 << 20) {
                write(position + done, zeros.address(), Math.min(1 << 20, length - done));
            }
        }
    }

    /** A server may refuse a large range that it would have to do piece by piece (proto, "Size constraints"). */
    private void inSteps(int command, int flags, long position, long length) throws IOException {
        long step = MAX_EFFECT;
        for (long done = 0; done < length; ) {
            long n = Math.min(length - done, step);
            Exchange x = request(command, flags, position + done, 0, n);
            boolean tooMuch = x.error() == Nbd.EOVERFLOW || x.error() == Nbd.EINVAL;
            if (tooMuch && n > facts.maxPayload()) {
                step = facts.maxPayload();
                continue;
            }
            succeed(x);
            done += n;
        }
    }

    @Override
    public Extent status(long position, long length) throws IOException {
        BlockDevice.check(this, position, length);
        if (!facts.tellsAllocation()) {
            return Extent.data(length, Extent.NOWHERE);
        }
        Exchange x = request(Nbd.CMD_BLOCK_STATUS, Nbd.CMD_FLAG_REQ_ONE, position, 0, Math.min(length, MAX_EFFECT));
        succeed(x);
        // what is less than a sector is not told; a sector of which it is said may hold anything
        long n = Math.min(x.statusLength(), length) & -SECTOR;
        if (n == 0) {
            return Extent.data(SECTOR, Extent.NOWHERE);
        }
        boolean data = (x.status() & Nbd.STATE_HOLE) == 0;
        boolean zero = (x.status() & Nbd.STATE_ZERO) != 0;
        return new Extent(n, zero, data, false, 0, Extent.NOWHERE);
    }

    private Exchange request(int command, int flags, long position, long address, long length) throws IOException {
        Exchange x =
                links.exchange(() -> new Exchange(new Request(flags, command, 0, position, length), address), () -> {
                    if (command == Nbd.CMD_FLUSH && mayLack.getAndSet(false)) {
                        throw new IOException("the connection to " + links
                                + " was lost, and what was written before and not flushed may be lost, too");
                    }
                });
        if (command == Nbd.CMD_WRITE || command == Nbd.CMD_WRITE_ZEROES || command == Nbd.CMD_TRIM) {
            written.incrementAndGet();
        }
        return x;
    }

    private void succeed(Exchange x) throws NbdException {
        if (x.error() != 0) {
            Request r = x.request();
            String what =
                    switch (r.command()) {
                        case Nbd.CMD_READ -> "read";
                        case Nbd.CMD_FLUSH -> "flush";
                        case Nbd.CMD_BLOCK_STATUS -> "tell the status of";
                        case Nbd.CMD_TRIM -> "discard";
                        case Nbd.CMD_WRITE_ZEROES -> "zero";
                        default -> "write";
                    };
            String range = r.command() == Nbd.CMD_FLUSH ? "" : " bytes %d+%d".formatted(r.offset(), r.length());
            String said = x.message().isEmpty() ? "" : " (" + x.message() + ")";
            throw new NbdException(
                    "%s can't %s%s: %s%s".formatted(links, what, range, Nbd.error(x.error()), said), x.error());
        }
    }

    /** Disconnects. What has not been flushed is the server's affair. */
    @Override
    public void close() {
        links.close();
    }

    @Override
    public String toString() {
        return links.toString();
    }
}
