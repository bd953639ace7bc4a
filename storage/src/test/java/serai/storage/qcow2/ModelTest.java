package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import serai.storage.CrashFile;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.NativeBuffer;
import serai.storage.Opening;
import serai.storage.References;

/** Random requests against an array of bytes, in all geometries; then crashes at any moment. */
class ModelTest {
    static final int SIZE = 3 << 20;
    private static final byte[] SECRET = {'s', 'e', 's', 'a', 'm', 'e'};
    static final Opening OPENING = Opening.with(References.NONE, image -> Optional.of(SECRET.clone()));

    static Stream<String> geometries() {
        return Stream.of(
                "",
                "compat=0.10",
                "cluster_size=512",
                "cluster_size=512,refcount_bits=64",
                "cluster_size=1024,refcount_bits=1",
                "cluster_size=4k,refcount_bits=2,compression_type=zstd",
                "cluster_size=2M,refcount_bits=32",
                "cluster_size=16k,extended_l2=on,refcount_bits=8",
                "extended_l2=on,refcount_bits=4",
                "lazy_refcounts=on,compression_type=zstd",
                "encrypt.format=luks,encrypt.iter-time=1",
                "cluster_size=512,encrypt.format=luks,encrypt.iter-time=1,encrypt.cipher-alg=aes-128",
                "extended_l2=on,encrypt.format=luks,encrypt.iter-time=1",
                "preallocation=metadata,cluster_size=8k");
    }

    static Qcow2Options options(String words, long size) throws IOException {
        Qcow2Options o = Qcow2Options.ofSize(size);
        for (String w : words.isEmpty() ? List.<String>of() : List.of(words.split(","))) {
            o = o.with(w.substring(0, w.indexOf('=')), w.substring(w.indexOf('=') + 1));
        }
        return o;
    }

    /** One random request, on the disk and on the model. */
    static void step(Random r, Qcow2Disk d, byte[] model, NativeBuffer b) throws IOException {
        int sectors = model.length / 512;
        int most =
                switch (r.nextInt(4)) {
                    case 0 -> 1;
                    case 1 -> 16;
                    case 2 -> 300;
                    default -> 2000;
                };
        int n = 1 + r.nextInt(Math.min(most, sectors));
        int at = r.nextInt(sectors - n + 1);
        if (r.nextInt(3) == 0) { // aligned
            at &= -128;
            n = Math.min(sectors - at, n + 127 & -128);
        }
        long position = at * 512L;
        int length = n * 512;
        switch (r.nextInt(12)) {
            case 0, 1, 2, 3 -> {
                byte[] data = new byte[length];
                r.nextBytes(data);
                System.arraycopy(data, 0, model, (int) position, length);
                MemorySegment.copy(data, 0, b.segment(), ValueLayout.JAVA_BYTE, 0, length);
                d.write(position, b.address(), length);
            }
            case 4 -> {
                d.zero(position, length, r.nextBoolean());
                Arrays.fill(model, (int) position, (int) position + length, (byte) 0);
            }
            case 5 -> {
                d.discard(position, length);
                byte[] now = read(d, position, length, b);
                for (int i = 0; i < length; i++) {
                    assertEquals(true, now[i] == 0 || now[i] == model[(int) position + i], "discarded: old or zeros");
                }
                System.arraycopy(now, 0, model, (int) position, length);
            }
            case 6 -> d.flush();
            case 8 -> snapshot(r, d, model, b);
            case 7 -> {
                int cluster = 1 << d.metadata().g.clusterBits();
                int from = (int) position & -cluster;
                int len = Math.min(cluster, model.length - from);
                byte[] data = new byte[len];
                Arrays.fill(data, (byte) r.nextInt());
                System.arraycopy(data, 0, model, from, len);
                MemorySegment.copy(data, 0, b.segment(), ValueLayout.JAVA_BYTE, 0, len);
                d.writeCompressed(from, b.address(), len);
            }
            default ->
                assertArrayEquals(
                        Arrays.copyOfRange(model, (int) position, (int) position + length),
                        read(d, position, length, b));
        }
    }

    /** What the disk that was created last was at each of its snapshots, by their names. */
    private static final Map<String, byte[]> THEN = new ConcurrentHashMap<>();

    static byte[] content(String snapshot) {
        return Objects.requireNonNull(THEN.get(snapshot));
    }

    private static void snapshot(Random r, Qcow2Disk d, byte[] model, NativeBuffer b) throws IOException {
        List<SnapshotInfo> all = d.snapshots();
        int how = all.size() < 2 ? 0 : r.nextInt(3);
        if (how == 0) {
            if (d.metadata().g.maxRefcount() > all.size() + 1) {
                String name = "s" + r.nextLong();
                THEN.put(name, model.clone());
                try {
                    d.createSnapshot(name);
                } catch (DiskException e) {
                    assertEquals(
                            true,
                            e.getMessage()
                                    .contains("more than " + d.metadata().g.maxRefcount()),
                            e.getMessage());
                    assertEquals(0, d.check(false, false, n -> {}).errors());
                }
            }
            return;
        }
        SnapshotInfo s = all.get(r.nextInt(all.size()));
        if (how == 1) {
            d.deleteSnapshot(s.id());
        } else {
            try {
                d.applySnapshot(s.name());
                System.arraycopy(THEN.get(s.name()), 0, model, 0, model.length);
            } catch (DiskException e) {
                assertEquals(
                        true,
                        e.getMessage().contains("more than " + d.metadata().g.maxRefcount()),
                        e.getMessage());
            }
            assertArrayEquals(model, read(d, 0, model.length, b));
        }
    }

    /** How often what was read was in memory. */
    private static int readAtOnce;

    static byte[] read(Qcow2Disk d, long position, int length, NativeBuffer b) throws IOException {
        b.segment().asSlice(0, length).fill((byte) 0xa5);
        boolean atOnce = d.readNow(position, b.address(), length);
        byte[] first = new byte[length];
        MemorySegment.copy(b.segment(), ValueLayout.JAVA_BYTE, 0, first, 0, length);
        b.segment().asSlice(0, length).fill((byte) 0x5a);
        d.read(position, b.address(), length);
        byte[] now = new byte[length];
        MemorySegment.copy(b.segment(), ValueLayout.JAVA_BYTE, 0, now, 0, length);
        if (atOnce) {
            assertArrayEquals(now, first, "read at once");
            readAtOnce++;
        }
        return now;
    }

    static void assertSound(Qcow2Disk d) throws IOException {
        CheckResult c = d.check(false, false, n -> {});
        assertEquals(List.of(), c.messages());
    }

    static void create(CrashFile f, Qcow2Options o) throws IOException {
        THEN.clear(); // a new image has no snapshots
        if (o.encryption() == null) {
            Qcow2Disk.create(f, o);
        } else {
            Qcow2Disk.create(f, o, SECRET.clone());
        }
    }

    static Qcow2Disk open(CrashFile f) throws IOException {
        return Qcow2Disk.open(f, OPENING);
    }

    @ParameterizedTest
    @MethodSource("geometries")
    void readsWhatWasWritten(String words) throws IOException {
        long seed = Long.getLong("serai.seed", words.hashCode());
        System.out.println(words + " seed " + seed);
        Random r = new Random(seed);
        CrashFile f = new CrashFile();
        create(f, options(words, SIZE));
        byte[] model = new byte[SIZE];
        int before = readAtOnce;
        try (NativeBuffer b = new NativeBuffer(SIZE)) {
            for (int round = 0; round < 6; round++) {
                try (Qcow2Disk d = open(f)) {
                    for (int i = 0; i < 60; i++) {
                        step(r, d, model, b);
                    }
                    assertArrayEquals(model, read(d, 0, SIZE, b));
                    assertStatus(d, model);
                }
                try (Qcow2Disk d = Qcow2Disk.open(f, OPENING.forCheck())) {
                    assertSound(d);
                }
            }
        }
        assertEquals(options(words, SIZE).encryption() == null, readAtOnce > before, "something was read at once");
    }

    private static void assertStatus(Qcow2Disk d, byte[] model) throws IOException {
        for (long at = 0; at < SIZE; ) {
            Extent e = d.status(at, SIZE - at);
            for (long i = at; e.zero() && i < at + e.length(); i++) {
                assertEquals(0, model[(int) i], "said to be zero");
            }
            at += e.length();
        }
    }

    @ParameterizedTest
    @MethodSource("geometries")
    void aCrashLosesNothingThatWasFlushed(String words) throws IOException {
        long seed = Long.getLong("serai.seed", words.hashCode());
        System.out.println(words + " seed " + seed);
        Random r = new Random(seed);
        int size = 1 << 20;
        try (NativeBuffer b = new NativeBuffer(size)) {
            CrashFile f = new CrashFile();
            create(f, options(words, size));
            byte[] model = new byte[size];
            for (int crashes = 0; crashes < 40; crashes++) {
                Qcow2Disk d = open(f);
                // per sector: what it may hold after a crash, from the last flush on
                List<byte[]> allowed = new java.util.ArrayList<>(List.of(model.clone()));
                f.crashAfter(1 + r.nextInt(r.nextBoolean() ? 20 : 300), r); // within any step, or after all of them
                int steps = r.nextInt(20);
                for (int i = 0; i < steps && f.caught() == null; i++) {
                    step(r, d, model, b);
                    if (r.nextInt(6) == 0 && f.caught() == null) {
                        d.flush();
                        if (f.caught() == null) {
                            allowed.clear();
                        }
                    }
                    allowed.add(model.clone());
                }
                CrashFile during = f.caught();
                CrashFile left = during != null ? during : f.crash(r);
                try (Qcow2Disk c = Qcow2Disk.open(left, OPENING.forCheck())) {
                    CheckResult found = c.check(false, false, n -> {});
                    assertEquals(0, found.errors(), () -> found.messages().toString());
                }
                try (Qcow2Disk c = open(left)) {
                    byte[] now = read(c, 0, size, b);
                    for (int s = 0; s < size; s += 512) {
                        int from = s;
                        assertEquals(
                                true,
                                allowed.stream()
                                        .anyMatch(m -> Arrays.equals(m, from, from + 512, now, from, from + 512)),
                                () -> "sector " + from / 512 + " has what was never there");
                    }
                    model = now;
                    if (!words.contains("0.10")) {
                        CheckResult again = c.check(false, false, n -> {});
                        assertEquals(0, again.leaks(), () -> "opening it mends leaks: " + again.messages());
                    }
                }
                f = left;
            }
        }
    }
}
