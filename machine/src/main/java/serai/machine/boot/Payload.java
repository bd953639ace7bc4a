package serai.machine.boot;

import io.airlift.compress.v3.MalformedInputException;
import io.airlift.compress.v3.lz4.Lz4JavaDecompressor;
import io.airlift.compress.v3.zstd.ZstdJavaDecompressor;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;
import org.tukaani.xz.LZMAInputStream;
import org.tukaani.xz.SingleXZInputStream;

/**
 * Unpacks the payload of a bzImage: gzip, xz, LZMA, LZ4 (legacy frames) and Zstandard, told apart by their first bytes
 * (boot.rst, {@code payload_offset}). All but gzip are followed by four bytes with the unpacked size, which the kernel's
 * build appends. bzip2 and LZO are left to the kernel.
 *
 * <p>Everything is streamed except Zstandard: the kernel packs with a window of 128 MiB, the decoder's streaming form
 * takes 8, and its one-shot form refuses the header but decodes the data (the output is its window). So the header is
 * changed, and the output goes to memory off the heap that is given back when loading is done.
 */
final class Payload {
    /** Debian 13's kernel unpacks to about 60 MB, one with all drivers built in to 100. */
    private static final long MAX_UNPACKED = 512 << 20;

    private static final int XZ_MEMORY_KIB = 128 << 10;
    private static final int ZSTD_MAGIC = 0xfd2fb528;

    private Payload() {}

    /**
     * The unpacked bytes, or null if the format is none of those known here.
     *
     * @param length with the appended size, as {@code payload_length} counts it
     * @param arena holds what is unpacked at once
     */
    static @Nullable InputStream open(KernelFile file, long offset, long length, Arena arena)
            throws BootException, IOException {
        byte[] magic = file.read(offset, 6);
        InputStream in = new BufferedInputStream(file.stream(offset, length), 64 << 10);
        if (magic[0] == 0x1f && (magic[1] & 0xff) == 0x8b) {
            return new GZIPInputStream(in, 64 << 10);
        }
        if ((magic[0] & 0xff) == 0xfd && magic[1] == '7' && magic[2] == 'z' && magic[3] == 'X' && magic[4] == 'Z') {
            return new SingleXZInputStream(in, XZ_MEMORY_KIB);
        }
        if (magic[0] == 0x5d && magic[1] == 0 && magic[2] == 0) {
            return new LZMAInputStream(in, XZ_MEMORY_KIB);
        }
        if (Le.i32(magic, 0) == 0x184c2102) {
            return new Lz4Legacy(in, length - 4);
        }
        if (Le.i32(magic, 0) == ZSTD_MAGIC) {
            return zstd(file, offset, length, arena);
        }
        return null;
    }

    private static InputStream zstd(KernelFile file, long offset, long length, Arena arena)
            throws BootException, IOException {
        if (length < 16 || length > MAX_UNPACKED / 2) {
            throw file.truncated();
        }
        byte[] packed = file.read(offset, (int) length);
        long size = Le.u32(packed, packed.length - 4);
        if (size > MAX_UNPACKED) {
            throw new BootException(file + " has a payload that would unpack to " + Ram.mebibytes(size));
        }
        boolean singleSegment = (packed[4] & 0x20) != 0; // RFC 8878, 3.1.1.1: no window descriptor then
        if (!singleSegment && (packed[5] & 0xff) >>> 3 > 13) {
            packed[5] = 13 << 3;
        }
        MemorySegment from = arena.allocate(packed.length - 4L);
        MemorySegment.copy(packed, 0, from, ValueLayout.JAVA_BYTE, 0, packed.length - 4);
        MemorySegment to = arena.allocate(Math.max(size, 1));
        long n;
        try {
            n = new ZstdJavaDecompressor().decompress(from, to);
        } catch (MalformedInputException | IllegalArgumentException | IndexOutOfBoundsException e) {
            throw new BootException(file + " has a damaged Zstandard payload", e);
        }
        return new InputStream() {
            private long at;

            @Override
            public int read() {
                return at < n ? to.get(ValueLayout.JAVA_BYTE, at++) & 0xff : -1;
            }

            @Override
            public int read(byte[] into, int offset, int wanted) {
                int count = (int) Math.min(wanted, n - at);
                if (count <= 0) {
                    return wanted == 0 ? 0 : -1;
                }
                MemorySegment.copy(to, ValueLayout.JAVA_BYTE, at, into, offset, count);
                at += count;
                return count;
            }

            @Override
            public long skip(long wanted) {
                long count = Math.max(0, Math.min(wanted, n - at));
                at += count;
                return count;
            }
        };
    }

    /**
     * LZ4's legacy format: a magic number, then blocks of at most 8 MiB unpacked, each after its packed size (lz4 frame
     * format description, "Legacy frame").
     */
    private static final class Lz4Legacy extends InputStream {
        private static final int BLOCK = 8 << 20;
        private static final int MAX_PACKED = BLOCK + BLOCK / 255 + 16;

        private final InputStream in;
        private final Lz4JavaDecompressor decoder = new Lz4JavaDecompressor();
        private final byte[] block = new byte[BLOCK];
        private byte[] packed = new byte[0];
        private long left;
        private int at;
        private int end;

        Lz4Legacy(InputStream in, long length) throws IOException {
            this.in = in;
            in.skipNBytes(4);
            left = length - 4;
        }

        private boolean fill() throws IOException {
            if (left < 8) {
                return false;
            }
            int size = Le.i32(in.readNBytes(4), 0);
            left -= 4;
            if (size <= 0 || size > MAX_PACKED || size > left) {
                throw new EOFException("damaged LZ4 block");
            }
            if (packed.length < size) {
                packed = new byte[size];
            }
            if (in.readNBytes(packed, 0, size) < size) {
                throw new EOFException("truncated LZ4 block");
            }
            left -= size;
            at = 0;
            try {
                end = decoder.decompress(packed, 0, size, block, 0, BLOCK);
            } catch (MalformedInputException | IllegalArgumentException | IndexOutOfBoundsException e) {
                throw new IOException("damaged LZ4 block", e);
            }
            return end > 0;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int offset, int wanted) throws IOException {
            if (wanted == 0) {
                return 0;
            }
            if (at == end && !fill()) {
                return -1;
            }
            int n = Math.min(wanted, end - at);
            System.arraycopy(block, at, into, offset, n);
            at += n;
            return n;
        }
    }
}
