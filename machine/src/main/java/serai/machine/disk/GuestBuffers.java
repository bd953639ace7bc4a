package serai.machine.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import serai.machine.memory.GuestMemory;

/** The pieces of guest RAM that one transfer of a disk fills or takes. */
public final class GuestBuffers {
    private record Piece(long guest, long host, int length) {}

    private static final int SECTOR = 512;
    /** Bytes that go by the way of {@link #copied} at once. */
    private static final int STEP = 64 << 10;
    /** Bytes that a vCPU copies itself: about 2 microseconds. What is more is copied beside it by another thread. */
    private static final int NOW = 16 << 10;

    private final GuestMemory memory;
    private final boolean fill;
    private final List<Piece> pieces = new ArrayList<>();
    private long bytes;

    /**
     * None yet.
     *
     * @param fill whether the transfer writes to them
     */
    public GuestBuffers(GuestMemory memory, boolean fill) {
        this.memory = memory;
        this.fill = fill;
    }

    /**
     * Adds a piece, joined to the one before where it continues it.
     *
     * @throws serai.machine.memory.GuestAddressException if a byte of it is not RAM of one region
     */
    public void add(long guest, int length) {
        if (length == 0) {
            return;
        }
        long host = memory.hostRange(guest, length, fill);
        bytes += length;
        if (!pieces.isEmpty()) {
            Piece last = pieces.getLast();
            if (last.guest + last.length == guest
                    && last.host + last.length == host
                    && last.length <= Integer.MAX_VALUE - length) {
                pieces.set(pieces.size() - 1, new Piece(last.guest, last.host, last.length + length));
                return;
            }
        }
        pieces.add(new Piece(guest, host, length));
    }

    /** Bytes in all. */
    public long bytes() {
        return bytes;
    }

    /**
     * Does the transfer; from an {@link IoExecutor}'s thread.
     *
     * @throws IOException also if the pieces together are not whole sectors
     */
    public void transfer(Disk disk, long offset) throws IOException {
        if (bytes % SECTOR != 0) {
            throw new IOException("a transfer of %d bytes, which are not whole sectors".formatted(bytes));
        }
        if (pieces.stream().anyMatch(p -> p.length % SECTOR != 0)) {
            copied(disk, offset);
            return;
        }
        long at = offset;
        for (Piece p : pieces) {
            if (fill) {
                disk.read(at, p.host, p.length);
            } else {
                disk.write(at, p.host, p.length);
            }
            at += p.length;
        }
    }

    /**
     * The transfer from a disk as the work of a request, which is done at once if it is short and the disk has the data in memory.
     */
    public DiskRequests.Work filling(Disk disk, long offset) {
        return new DiskRequests.Work() {
            @Override
            public void run() throws IOException {
                transfer(disk, offset);
            }

            @Override
            public boolean now() throws IOException {
                return bytes <= NOW && transferNow(disk, offset);
            }
        };
    }

    private boolean transferNow(Disk disk, long offset) throws IOException {
        long at = offset;
        for (Piece p : pieces) {
            if (p.length % SECTOR != 0 || !disk.readNow(at, p.host, p.length)) {
                return false;
            }
            at += p.length;
        }
        return true;
    }

    /** A driver may split a sector anywhere, a disk takes whole ones: by a copy. */
    private void copied(Disk disk, long offset) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            long copy = arena.allocate(STEP, 4096).address();
            int piece = 0;
            int inPiece = 0;
            for (long at = 0; at < bytes; at += STEP) {
                int n = (int) Math.min(STEP, bytes - at);
                if (fill) {
                    disk.read(offset + at, copy, n);
                }
                for (int done = 0; done < n; ) {
                    Piece p = pieces.get(piece);
                    int part = Math.min(p.length - inPiece, n - done);
                    if (fill) {
                        GuestMemory.copy(copy + done, p.host + inPiece, part);
                    } else {
                        GuestMemory.copy(p.host + inPiece, copy + done, part);
                    }
                    done += part;
                    inPiece += part;
                    if (inPiece == p.length) {
                        piece++;
                        inPiece = 0;
                    }
                }
                if (!fill) {
                    disk.write(offset + at, copy, n);
                }
            }
        }
    }

    /**
     * After the transfer: what it filled is logged as written and, if it held instructions, forgotten.
     *
     * @return bytes filled
     */
    public long done() {
        if (!fill) {
            return 0;
        }
        for (Piece p : pieces) {
            memory.written(p.guest, p.length);
        }
        return bytes;
    }

    /** Copies {@code from} into the pieces, as far as they reach. */
    public void put(byte[] from) {
        int at = 0;
        for (Piece p : pieces) {
            int n = Math.min(p.length, from.length - at);
            memory.write(p.guest, from, at, n);
            at += n;
        }
    }

    /** A copy of their content. */
    public byte[] get() {
        byte[] all = new byte[(int) bytes];
        int at = 0;
        for (Piece p : pieces) {
            memory.read(p.guest, all, at, p.length);
            at += p.length;
        }
        return all;
    }
}
