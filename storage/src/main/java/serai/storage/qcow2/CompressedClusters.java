package serai.storage.qcow2;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Map;
import serai.storage.DiskException;
import serai.storage.NativeBuffer;

/** Reads compressed clusters, of which the last few stay unpacked, and packs them one behind the other. */
final class CompressedClusters {
    private static final int KEPT = 4;

    private final Metadata m;
    private final Geometry g;
    private final Codec codec;
    private final Map<Long, byte[]> kept = new LinkedHashMap<>(8, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, byte[]> eldest) {
            return size() > KEPT;
        }
    };

    CompressedClusters(Metadata m) {
        this.m = m;
        g = m.g;
        codec = new Codec(m.header.compressionType == 1, (int) g.cluster());
    }

    /**
     * The content of a cluster by its L2 entry. Without the lock.
     *
     * @throws DiskException if there is none
     */
    byte[] read(long entry) throws IOException {
        synchronized (kept) {
            byte[] known = kept.get(entry);
            if (known != null) {
                return known;
            }
        }
        long bytes = L2Entry.compressedBytes(entry, g.clusterBits());
        byte[] packed = new byte[(int) Math.min(bytes, 2 * g.cluster() + 512)];
        try (NativeBuffer b = NativeBuffer.confined(packed.length)) {
            m.file.read(L2Entry.compressedOffset(entry, g.clusterBits()), b.address(), packed.length);
            MemorySegment.copy(b.segment(), ValueLayout.JAVA_BYTE, 0, packed, 0, packed.length);
        }
        byte[] content;
        try {
            content = codec.decompress(packed);
        } catch (IOException e) {
            throw new DiskException(m.file.path() + " is damaged: " + e.getMessage(), e);
        }
        synchronized (kept) {
            kept.put(entry, content);
        }
        return content;
    }

    /** Packs a cluster, zeros after {@code length}; nothing if it doesn't get smaller. Without the lock. */
    byte[] pack(long address, long length) {
        byte[] content = new byte[(int) g.cluster()];
        MemorySegment.copy(NativeBuffer.at(address, length), ValueLayout.JAVA_BYTE, 0, content, 0, (int) length);
        return codec.compress(content);
    }

    /** Room for so many bytes, counted; the L2 entry of it. With the lock. */
    long allocate(int bytes) throws IOException {
        long next = m.compressedNext;
        long in = next & g.cluster() - 1;
        long room = in == 0 ? 0 : g.cluster() - in;
        long at;
        if (room > 0 && m.refcounts.get(next >>> g.clusterBits()) < m.g.maxRefcount()) {
            if (bytes <= room) {
                at = next;
                m.refcounts.add(at >>> g.clusterBits(), 1);
            } else {
                long more = m.allocateData(1);
                if (more == g.up(next)) { // it goes on there
                    at = next;
                    m.refcounts.add(at >>> g.clusterBits(), 1);
                } else {
                    at = more;
                }
            }
        } else {
            at = m.allocateData(1);
        }
        m.compressedNext = at + bytes;
        synchronized (kept) {
            kept.clear(); // what stood there before, if anything
        }
        return L2Entry.compressed(at, bytes, g.clusterBits());
    }

    /** Writes packed bytes to their room. Without the lock. */
    void write(long entry, byte[] packed) throws IOException {
        try (NativeBuffer b = NativeBuffer.confined(packed.length)) {
            MemorySegment.copy(packed, 0, b.segment(), ValueLayout.JAVA_BYTE, 0, packed.length);
            m.file.write(L2Entry.compressedOffset(entry, g.clusterBits()), b.address(), packed.length);
        }
    }
}
