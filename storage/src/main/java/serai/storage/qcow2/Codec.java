package serai.storage.qcow2;

import io.airlift.compress.v3.zstd.ZstdJavaCompressor;
import io.airlift.compress.v3.zstd.ZstdJavaDecompressor;
import java.io.IOException;
import java.util.Arrays;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/** Compressed clusters: raw deflate, or a zstd frame (compression type 1); what follows in the last sector is not part of it. */
final class Codec {
    private final boolean zstd;
    private final int cluster;

    Codec(boolean zstd, int cluster) {
        this.zstd = zstd;
        this.cluster = cluster;
    }

    /**
     * A cluster's content.
     *
     * @throws IOException if that is no compressed cluster
     */
    byte[] decompress(byte[] from) throws IOException {
        byte[] to = new byte[cluster];
        if (zstd) {
            try {
                int n = new ZstdJavaDecompressor().decompress(from, 0, frame(from), to, 0, cluster);
                if (n < cluster) {
                    throw new IOException("a compressed cluster is too short");
                }
            } catch (RuntimeException e) { // MalformedInputException, and what its decoder throws at worse
                throw new IOException("a compressed cluster is damaged", e);
            }
            return to;
        }
        Inflater inflater = new Inflater(true);
        try {
            inflater.setInput(from);
            int n = 0;
            while (n < cluster) {
                int got = inflater.inflate(to, n, cluster - n);
                if (got == 0) {
                    throw new IOException("a compressed cluster is too short");
                }
                n += got;
            }
            return to;
        } catch (DataFormatException e) {
            throw new IOException("a compressed cluster is damaged", e);
        } finally {
            inflater.end();
        }
    }

    /** Bytes of the zstd frame at the start (RFC 8878, 3.1.1): what follows it is not ours. */
    private static int frame(byte[] b) throws IOException {
        if (b.length > 5) {
            int descriptor = b[4];
            boolean single = (descriptor & 0x20) != 0;
            int contentSize = descriptor >> 6 & 3;
            int dictionary = descriptor & 3;
            int at = 5
                    + (single ? 0 : 1)
                    + (dictionary == 3 ? 4 : dictionary)
                    + (contentSize == 0 ? single ? 1 : 0 : 1 << contentSize);
            while (at + 3 <= b.length) {
                int header = b[at] & 0xff | (b[at + 1] & 0xff) << 8 | (b[at + 2] & 0xff) << 16;
                at += 3 + ((header >> 1 & 3) == 1 ? 1 : header >> 3); // a run is one byte
                if ((header & 1) != 0) {
                    at += (descriptor & 4) != 0 ? 4 : 0;
                    if (at <= b.length) {
                        return at;
                    }
                    break;
                }
            }
        }
        throw new IOException("a compressed cluster is cut off");
    }

    /** A cluster compressed, or nothing if that doesn't save at least a sector. */
    byte[] compress(byte[] from) {
        int most = cluster - 512;
        if (zstd) {
            ZstdJavaCompressor c = new ZstdJavaCompressor();
            byte[] to = new byte[c.maxCompressedLength(cluster)];
            int n = c.compress(from, 0, cluster, to, 0, to.length);
            return n > most ? new byte[0] : Arrays.copyOf(to, n);
        }
        Deflater deflater = new Deflater(Deflater.DEFAULT_COMPRESSION, true);
        try {
            deflater.setInput(from);
            deflater.finish();
            byte[] to = new byte[cluster];
            int n = deflater.deflate(to, 0, Math.max(0, most));
            return deflater.finished() ? Arrays.copyOf(to, n) : new byte[0];
        } finally {
            deflater.end();
        }
    }
}
