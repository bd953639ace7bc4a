package serai.storage.qcow2;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;

/**
 * A combination of what a qcow2 image can have.
 *
 * @param clusterBits a cluster has 2 to this many bytes
 * @param compat version 2 or 3
 */
record Combination(
        int clusterBits,
        int compat,
        int refcountBits,
        boolean extended,
        boolean zstd,
        boolean lazy,
        Data data,
        Backing backing,
        Preallocation preallocation,
        boolean encrypted) {
    /** Where the clusters' data is. */
    enum Data {
        INSIDE,
        FILE,
        RAW_FILE
    }

    /** What it lies upon: one that ends before the disk, or one that is larger. */
    enum Backing {
        NONE,
        RAW_SMALL,
        RAW_LARGE,
        QCOW2_SMALL,
        QCOW2_LARGE;

        boolean there() {
            return this != NONE;
        }

        String file() {
            return name().toLowerCase(Locale.ROOT);
        }

        String format() {
            return file().replaceAll("_.*", "");
        }
    }

    /** What is allocated at once. */
    enum Preallocation {
        OFF,
        METADATA,
        FALLOC,
        FULL
    }

    private static final int[] REFCOUNT_BITS = {1, 2, 4, 8, 16, 32, 64};

    private static Combination of(int clusterBits) {
        return new Combination(
                clusterBits, 3, 16, false, false, false, Data.INSIDE, Backing.NONE, Preallocation.OFF, false);
    }

    private Combination with(int version, int bits, boolean l2, boolean z) {
        return new Combination(clusterBits, version, bits, l2, z, lazy, data, backing, preallocation, encrypted);
    }

    private Combination with(Backing b) {
        return new Combination(
                clusterBits, compat, refcountBits, extended, zstd, lazy, data, b, preallocation, encrypted);
    }

    private Combination with(Data d) {
        return new Combination(
                clusterBits, compat, refcountBits, extended, zstd, lazy, d, backing, preallocation, encrypted);
    }

    private Combination with(Preallocation p) {
        return new Combination(clusterBits, compat, refcountBits, extended, zstd, lazy, data, backing, p, encrypted);
    }

    private Combination withLazy() {
        return new Combination(
                clusterBits, compat, refcountBits, extended, zstd, true, data, backing, preallocation, encrypted);
    }

    private Combination withLuks() {
        return new Combination(
                clusterBits, compat, refcountBits, extended, zstd, lazy, data, backing, preallocation, true);
    }

    /** Whether both Serai and qemu-img make such images. */
    private boolean valid() {
        boolean two = refcountBits == 16 && !extended && !zstd && !lazy && data == Data.INSIDE;
        return (compat == 3 || two)
                && (!extended || clusterBits >= 14)
                && (data != Data.RAW_FILE || !backing.there() && !encrypted)
                && (preallocation == Preallocation.OFF || !backing.there() && !encrypted && data == Data.INSIDE);
    }

    /** All that are tested: each feature with each cluster size, and others at random until there are so many. */
    static List<Combination> all(int count, Random random) {
        Set<Combination> all = new LinkedHashSet<>();
        for (int bits = 9; bits <= 21; bits++) {
            Combination plain = of(bits);
            Combination two = plain.with(2, 16, false, false);
            for (Backing b : Backing.values()) {
                all.add(plain.with(b));
                all.add(two.with(b));
                all.add(plain.with(3, 16, true, false).with(b));
            }
            all.add(two.withLuks());
            for (int r : REFCOUNT_BITS) {
                all.add(plain.with(3, r, false, false));
            }
            for (int r : new int[] {1, 4, 64}) {
                all.add(plain.with(3, r, true, true));
            }
            all.add(plain.with(3, 16, false, true));
            all.add(plain.withLazy());
            all.add(plain.with(3, 16, bits >= 14, true).withLazy());
            for (Data d : Data.values()) {
                all.add(plain.with(d));
                all.add(plain.with(3, 16, true, false).with(d));
                all.add(plain.with(d).with(bits % 2 == 0 ? Backing.RAW_SMALL : Backing.QCOW2_LARGE));
            }
            for (Preallocation p : Preallocation.values()) {
                all.add(plain.with(p));
                all.add(plain.with(3, 16, true, false).with(p));
            }
            all.add(plain.withLuks());
            all.add(plain.with(3, 16, true, false).withLuks());
            all.add(plain.withLuks().with(bits % 2 == 0 ? Backing.RAW_LARGE : Backing.QCOW2_SMALL));
        }
        all.removeIf(c -> !c.valid());
        while (all.size() < count) {
            Combination c = random(random);
            if (c.valid()) {
                all.add(c);
            }
        }
        return new ArrayList<>(all);
    }

    private static Combination random(Random r) {
        return new Combination(
                9 + r.nextInt(13),
                r.nextInt(8) == 0 ? 2 : 3,
                r.nextBoolean() ? 16 : REFCOUNT_BITS[r.nextInt(REFCOUNT_BITS.length)],
                r.nextBoolean(),
                r.nextBoolean(),
                r.nextInt(3) == 0,
                r.nextInt(3) == 0 ? Data.values()[r.nextInt(3)] : Data.INSIDE,
                r.nextBoolean() ? Backing.values()[r.nextInt(5)] : Backing.NONE,
                r.nextInt(3) == 0 ? Preallocation.values()[r.nextInt(4)] : Preallocation.OFF,
                r.nextInt(5) == 0);
    }

    int cluster() {
        return 1 << clusterBits;
    }

    /** Whether clusters can be written compressed. */
    boolean compressible() {
        return data == Data.INSIDE && !encrypted;
    }

    /** Options for {@code -o}, without those that name other things. */
    List<String> options() {
        List<String> o = new ArrayList<>();
        o.add("compat=" + (compat == 2 ? "0.10" : "1.1"));
        o.add("cluster_size=" + cluster());
        if (compat == 3) {
            o.add("refcount_bits=" + refcountBits);
            o.add("lazy_refcounts=" + (lazy ? "on" : "off"));
            o.add("compression_type=" + (zstd ? "zstd" : "zlib"));
            o.add("extended_l2=" + (extended ? "on" : "off"));
        }
        if (preallocation != Preallocation.OFF) {
            o.add("preallocation=" + preallocation.name().toLowerCase(Locale.ROOT));
        }
        if (encrypted) {
            o.add("encrypt.format=luks");
            o.add("encrypt.iter-time=10");
            o.add("encrypt.key-secret=s");
        }
        return o;
    }

    @Override
    public String toString() {
        return String.join(",", options())
                + (backing.there() ? " on " + backing.file() : "")
                + (data == Data.INSIDE ? "" : " with " + data.name().toLowerCase(Locale.ROOT));
    }
}
