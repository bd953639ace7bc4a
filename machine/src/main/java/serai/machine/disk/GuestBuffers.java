package serai.machine.disk;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import serai.machine.memory.GuestMemory;

/** The pieces of guest RAM that one transfer of a disk fills or takes. */
public final class GuestBuffers {
    private record Piece(long guest, long host, int length) {}

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

    /** Does the transfer; from an {@link IoExecutor}'s thread. */
    public void transfer(Disk disk, long offset) throws IOException {
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
