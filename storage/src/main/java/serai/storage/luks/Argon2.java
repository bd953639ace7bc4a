package serai.storage.luks;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.bouncycastle.crypto.digests.Blake2bDigest;
import serai.linux.LinuxException;
import serai.linux.SharedMapping;

/**
 * Argon2i and Argon2id, version 0x13 (RFC 9106), on memory outside the Java heap and with a thread a lane.
 *
 * <p>BouncyCastle has one, too, but in the heap and with one thread: cryptsetup makes volumes whose unlocking takes 1 GiB, and a VMM has a
 * heap of 512 MiB.
 *
 * <p>Memory is lanes × columns of blocks of 1 KiB, a quarter of the columns a slice. Within a slice the lanes know nothing of each other.
 */
final class Argon2 {
    /** Which of RFC 9106's; Argon2d is not used for disks. */
    enum Type {
        I(1, "argon2i"),
        ID(2, "argon2id");

        private final int number;
        private final String word;

        Type(int number, String word) {
            this.number = number;
            this.word = word;
        }

        String word() {
            return word;
        }
    }

    private static final int VERSION = 0x13;
    private static final int SLICES = 4;
    /** Of a block. */
    private static final int BYTES = 1024;

    private static final int LONGS = BYTES / 8;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Type type;
    private final int passes;
    private final int lanes;
    private final int columns;
    private final MemorySegment memory;

    private Argon2(Type type, int passes, int lanes, int columns, MemorySegment memory) {
        this.type = type;
        this.passes = passes;
        this.lanes = lanes;
        this.columns = columns;
        this.memory = memory;
    }

    /**
     * Derives a key.
     *
     * @param passes at least 1
     * @param kibibytes of memory, at least 8 × lanes
     * @param lanes at least 1
     * @param length bytes of the key, at least 4
     * @throws LinuxException if there is not as much memory
     */
    static byte[] derive(Type type, byte[] password, byte[] salt, int passes, int kibibytes, int lanes, int length)
            throws LinuxException {
        int columns = kibibytes / (SLICES * lanes) * SLICES;
        long bytes = (long) columns * lanes * BYTES;
        byte[] seed = seed(type, password, salt, passes, kibibytes, lanes, length);
        try (SharedMapping mapping = SharedMapping.create("serai-argon2", (bytes + 4095) & -4096L)) {
            mapping.adviseGuestMemory();
            Argon2 a = new Argon2(type, passes, lanes, columns, mapping.segment());
            a.begin(seed);
            a.fill();
            return a.end(length);
        } finally {
            Arrays.fill(seed, (byte) 0);
        }
    }

    /** H₀ of RFC 9106 §3.2, with room for the two numbers that come behind it. */
    private static byte[] seed(
            Type type, byte[] password, byte[] salt, int passes, int kibibytes, int lanes, int length) {
        Blake2bDigest h = new Blake2bDigest(512);
        for (int n : new int[] {lanes, length, kibibytes, passes, VERSION, type.number}) {
            h.update(little(n), 0, 4);
        }
        for (byte[] text : List.of(password, salt, new byte[0], new byte[0])) { // no secret, no associated data
            h.update(little(text.length), 0, 4);
            h.update(text, 0, text.length);
        }
        byte[] seed = new byte[64 + 8];
        h.doFinal(seed, 0);
        return seed;
    }

    private void begin(byte[] seed) {
        for (int lane = 0; lane < lanes; lane++) {
            for (int column = 0; column < 2; column++) {
                System.arraycopy(little(column), 0, seed, 64, 4);
                System.arraycopy(little(lane), 0, seed, 68, 4);
                MemorySegment.copy(hash(seed, BYTES), 0, memory, ValueLayout.JAVA_BYTE, at(lane, column), BYTES);
            }
        }
    }

    private byte[] end(int length) {
        long[] sum = new long[LONGS];
        for (int lane = 0; lane < lanes; lane++) {
            long at = at(lane, columns - 1);
            for (int i = 0; i < LONGS; i++) {
                sum[i] ^= memory.get(LONG, at + i * 8L);
            }
        }
        ByteBuffer last = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        last.asLongBuffer().put(sum);
        return hash(last.array(), length);
    }

    private void fill() {
        try (ExecutorService threads = Executors.newFixedThreadPool(
                Math.min(lanes, Runtime.getRuntime().availableProcessors()))) {
            List<Callable<Boolean>> work = new ArrayList<>();
            for (int pass = 0; pass < passes; pass++) {
                for (int slice = 0; slice < SLICES; slice++) {
                    work.clear();
                    for (int lane = 0; lane < lanes; lane++) {
                        Argon2Segment segment = new Argon2Segment(pass, slice, lane);
                        work.add(() -> {
                            segment.fill();
                            return true;
                        });
                    }
                    for (Future<Boolean> f : threads.invokeAll(work)) {
                        f.get();
                    }
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while a key was derived", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    private long at(int lane, int column) {
        return ((long) lane * columns + column) * BYTES;
    }

    /** A slice of a lane in one pass, and what it works with. */
    private final class Argon2Segment {
        private final int pass;
        private final int slice;
        private final int lane;
        private final int length = columns / SLICES;
        private final boolean independent;
        private final long[] block = new long[LONGS];
        private final long[] mixed = new long[LONGS];
        private final long[] input = new long[LONGS];
        private final long[] addresses = new long[LONGS];

        Argon2Segment(int pass, int slice, int lane) {
            this.pass = pass;
            this.slice = slice;
            this.lane = lane;
            independent = type == Type.I || pass == 0 && slice < SLICES / 2; // §3.4.1.3
        }

        void fill() {
            if (independent) {
                long[] z = {pass, lane, slice, (long) lanes * columns, passes, type.number};
                System.arraycopy(z, 0, input, 0, z.length);
            }
            int first = pass == 0 && slice == 0 ? 2 : 0;
            if (independent && first != 0) {
                nextAddresses();
            }
            int column = slice * length + first;
            load(at(lane, (column == 0 ? columns : column) - 1));
            for (int i = first; i < length; i++, column++) {
                if (independent && i % LONGS == 0) {
                    nextAddresses();
                }
                step(i, column, independent ? addresses[i % LONGS] : block[0]);
            }
            Arrays.fill(block, 0);
            Arrays.fill(mixed, 0);
        }

        /** The block becomes the next one: G of itself and another (§3.2), which {@code j} tells (§3.4). */
        private void step(int i, int column, long j) {
            int otherLane = pass == 0 && slice == 0 ? lane : (int) ((j >>> 32) % lanes);
            boolean same = otherLane == lane;
            int before = pass == 0 ? slice * length : columns - length;
            int area = same ? before + i - 1 : before - (i == 0 ? 1 : 0);
            long x = j & 0xffff_ffffL;
            x = x * x >>> 32;
            long z = area - 1 - (area * x >>> 32);
            int start = pass == 0 || slice == SLICES - 1 ? 0 : (slice + 1) * length;
            long other = at(otherLane, (int) ((start + z) % columns));
            long here = at(lane, column);
            for (int k = 0; k < LONGS; k++) {
                block[k] ^= memory.get(LONG, other + k * 8L);
            }
            Argon2Block.permute(block, mixed);
            if (pass > 0) { // version 0x13 keeps what stood there
                for (int k = 0; k < LONGS; k++) {
                    block[k] ^= memory.get(LONG, here + k * 8L);
                }
            }
            MemorySegment.copy(block, 0, memory, LONG, here, LONGS);
        }

        private void load(long at) {
            MemorySegment.copy(memory, LONG, at, block, 0, LONGS);
        }

        private void nextAddresses() {
            input[6]++;
            System.arraycopy(input, 0, addresses, 0, LONGS);
            Argon2Block.permute(addresses, mixed);
            Argon2Block.permute(addresses, mixed);
        }
    }

    /** H′, the hash of any length (§3.3). */
    private static byte[] hash(byte[] text, int length) {
        byte[] out = new byte[length];
        Blake2bDigest h = new Blake2bDigest(Math.min(length, 64) * 8);
        h.update(little(length), 0, 4);
        h.update(text, 0, text.length);
        if (length <= 64) {
            h.doFinal(out, 0);
            return out;
        }
        byte[] v = new byte[64];
        h.doFinal(v, 0);
        int done = 0;
        while (length - done > 64) {
            System.arraycopy(v, 0, out, done, 32);
            done += 32;
            h = new Blake2bDigest(Math.min(length - done, 64) * 8);
            h.update(v, 0, 64);
            h.doFinal(v, 0);
        }
        System.arraycopy(v, 0, out, done, length - done);
        Arrays.fill(v, (byte) 0);
        return out;
    }

    private static byte[] little(int n) {
        return new byte[] {(byte) n, (byte) (n >>> 8), (byte) (n >>> 16), (byte) (n >>> 24)};
    }
}
