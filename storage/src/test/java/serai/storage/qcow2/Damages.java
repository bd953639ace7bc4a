package serai.storage.qcow2;

import java.util.ArrayList;
import java.util.List;
import java.util.zip.Deflater;

/** Damaged images, one place of each wrong. */
final class Damages {
    /** What is done to a sound image. */
    interface Change {
        void to(ImageBytes image);
    }

    /**
     * A damaged image.
     *
     * @param options of the sound one
     * @param refusal part of the sentence by which it is refused when it is opened; empty: it may be opened, and what is read of it refused
     */
    record Damage(String name, String options, String refusal, Change change) {
        ImageBytes image() throws java.io.IOException {
            ImageBytes i = ImageBytes.sound(options);
            change.to(i);
            return i;
        }

        @Override
        public String toString() {
            return name + " of " + options;
        }
    }

    private static final String SMALL = "cluster_size=4k";
    private static final String EXTENDED = "cluster_size=16k,extended_l2=on";
    private static final String ZSTD = "cluster_size=4k,compression_type=zstd";
    private static final String TWO = "cluster_size=4k,compat=0.10";
    private static final int FORMAT = 0xe2792aca,
            DATA_FILE = 0x44415441,
            BITMAPS = 0x23852875,
            CRYPTO = 0x0537be77,
            FEATURES = 0x6803f857;
    private static final long TOP = 1L << 63;

    private final List<Damage> all = new ArrayList<>();

    static List<Damage> all() {
        Damages d = new Damages();
        d.header();
        d.features();
        d.tables();
        d.names();
        d.extensions();
        d.l1();
        d.l2();
        d.refcounts();
        d.compressed();
        d.snapshots();
        d.bitmaps();
        d.encryption();
        return d.all;
    }

    private void refused(String refusal, String name, Change change) {
        all.add(new Damage(name, SMALL, refusal, change));
    }

    private void opened(String name, Change change) {
        opened(SMALL, name, change);
    }

    private void opened(String options, String name, Change change) {
        all.add(new Damage(name, options, "", change));
    }

    // ---- the header ----

    private void header() {
        refused("is no qcow2 image", "another magic", i -> i.put(3, 0xfa));
        refused("is no qcow2 image", "an empty file", i -> i.cut(0));
        opened("cut off in the header", i -> i.cut(70));
        opened("cut off in the refcount table", i -> i.cut(5000));
        opened("cut off in the last cluster", i -> i.cut(i.end() - 700));
        for (long v : new long[] {0, 1, 4, 0xffffffffL}) {
            refused("is of version " + v, "version " + v, i -> i.number(4, v));
        }
        for (long bits : new long[] {0, 8, 22, 31, 63, 64, 0xffffffffL}) {
            refused("has clusters of 2^" + bits, "cluster_bits " + bits, i -> i.number(20, bits));
        }
        opened("cluster_bits 9 of one with 12", i -> i.number(20, 9));
        opened("cluster_bits 21 of one with 12", i -> i.number(20, 21));
        for (long size : new long[] {TOP, -1, Long.MAX_VALUE, Long.MAX_VALUE - 511}) {
            refused("has an absurd size", "size " + Long.toUnsignedString(size), i -> i.word(24, size));
        }
        for (long size : new long[] {1L << 62, 1L << 40, (2 << 20) + 1}) {
            refused("too small for its size", "size " + size, i -> i.word(24, size));
        }
        opened("a size of no sectors", i -> i.word(24, 1000));
        opened("size 0", i -> i.word(24, 0));
        refused("old AES scheme", "crypt_method 1", i -> i.number(32, 1));
        refused("has no encryption header", "crypt_method 2", i -> i.number(32, 2));
        for (long c : new long[] {3, TOP >>> 32}) {
            refused("has encryption method " + c, "crypt_method " + c, i -> i.number(32, c));
        }
        for (long order : new long[] {7, 8, 32, 63, 64, 0x80000000L, 0xffffffffL}) {
            refused("has refcounts of 2^" + order, "refcount_order " + order, i -> i.number(96, order));
        }
        opened("refcount_order 0 of one with 4", i -> i.number(96, 0));
        opened("refcount_order 6 of one with 4", i -> i.number(96, 6));
        for (long length : new long[] {0, 72, 103, 105, 4104, 0x80000000L, 0xffffffffL}) {
            refused("has a header of " + length, "header_length " + length, i -> i.number(100, length));
        }
        opened("header_length 4096", i -> i.number(100, 4096));
    }

    private void features() {
        for (int bit : new int[] {5, 31, 32, 63}) {
            refused(
                    "feature " + bit + ", which Serai doesn't have",
                    "bit " + bit,
                    i -> i.word(72, i.word(72) | 1L << bit));
        }
        refused("needs 'a name', which", "bit 40, which has a name", i -> i.put(
                        i.extension(FEATURES), name(40, "a name"))
                .word(72, 1L << 40));
        refused("needs 'a?[31mname', which", "bit 41, whose name would colour a terminal", i -> i.put(
                        i.extension(FEATURES), name(41, "a\033[31mname"))
                .word(72, 1L << 41));
        refused("doesn't name", "an external data file without a name", i -> i.word(72, Header.DATA_FILE));
        refused("has compression type 0", "bit 3 without a type", i -> i.word(72, Header.COMPRESSION));
        refused("has compression type 1", "a type without bit 3", i -> i.put(104, 1));
        refused("has compression type 2", "compression type 2", i -> i.put(104, 2)
                .word(72, Header.COMPRESSION));
        refused("has compression type 255", "compression type 255", i -> i.put(104, 255)
                .word(72, Header.COMPRESSION));
        refused("has extended L2 entries", "extended L2 of small clusters", i -> i.word(72, Header.EXTENDED_L2));
        opened("cluster_size=64k", "extended L2 of one without", i -> i.word(72, Header.EXTENDED_L2));
        opened(EXTENDED, "no extended L2 of one with", i -> i.word(72, 0));
        opened("marked as dirty", i -> i.word(72, Header.DIRTY));
        opened("all compatible and autoclear features", i -> i.word(80, -1).word(88, -1));
        opened("version 2 of one of version 3", i -> i.number(4, 2));
        opened(TWO, "version 3 of one of version 2", i -> i.number(4, 3).number(100, 104));
    }

    private static int[] name(int bit, String text) {
        int[] b = new int[48];
        b[1] = bit;
        for (int i = 0; i < text.length(); i++) {
            b[2 + i] = text.charAt(i);
        }
        return b;
    }

    // ---- where tables are ----

    private void tables() {
        for (long n : new long[] {0x400001L, 0x7fffffffL, 0x80000000L, 0xffffffffL}) {
            refused("has an L1 table of " + n, "l1_size " + n, i -> i.number(36, n));
        }
        refused("too small for its size", "l1_size 0", i -> i.number(36, 0));
        opened("l1_size 1048576, past the file's end", i -> i.number(36, 0x100000));
        for (long at : new long[] {0, 1, 511, 8, 4096 + 512, 1L << 40, TOP, -4096, Long.MAX_VALUE - 4095}) {
            String where = Long.toUnsignedString(at);
            refused("has its L1 table at " + where, "l1_table_offset " + where, i -> i.word(40, at));
            refused("has its refcount table at " + where, "refcount_table_offset " + where, i -> i.word(48, at));
            refused("has its snapshot table at " + where, "snapshots_offset " + where, i -> i.word(64, at));
        }
        for (long n : new long[] {0, 2049, 0x7fffffffL, 0x80000000L, 0xffffffffL}) {
            refused("has a refcount table of " + n, "refcount_table_clusters " + n, i -> i.number(56, n));
        }
        opened("refcount_table_clusters 2048, past the file's end", i -> i.number(56, 2048));
        for (long n : new long[] {65537, 0x7fffffffL, 0x80000000L, 0xffffffffL}) {
            refused("has " + n + " snapshots", "nb_snapshots " + n, i -> i.number(60, n));
        }
        opened("nb_snapshots 65536", i -> i.number(60, 65536));
        opened("nb_snapshots 2 of one that has one", i -> i.number(60, 2));
        opened("L1 table over the refcount table", i -> i.word(40, i.refcountTable()));
        opened("L1 table over the refcount block", i -> i.word(40, i.refcountBlock()));
        opened("L1 table over its L2 table", i -> i.word(40, i.l2()));
        opened("L1 table over the snapshots", i -> i.word(40, i.snapshots()));
        opened("refcount table over the L1 table", i -> i.word(48, i.l1()));
        opened("refcount table over the refcount block", i -> i.word(48, i.refcountBlock()));
        opened("refcount table over an L2 table", i -> i.word(48, i.l2()));
        opened("snapshots over the L1 table", i -> i.word(64, i.l1()));
        opened("snapshots over the refcount table", i -> i.word(64, i.refcountTable()));
        opened("snapshots over the refcount block", i -> i.word(64, i.refcountBlock()));
        opened("snapshots over an L2 table", i -> i.word(64, i.l2()));
        opened("tables in the last byte of the file", i -> i.cut(i.end() + 1).word(40, i.end() - 1 & -4096));
    }

    // ---- names and extensions ----

    private void names() {
        for (long at : new long[] {8, 103, 4090, 4096, 1L << 40, TOP, -1}) {
            refused(
                    "has the name of its backing file at",
                    "backing_file_offset " + Long.toUnsignedString(at),
                    i -> i.word(8, at).number(16, 20));
        }
        for (long n : new long[] {1024, 0x7fffffffL, 0x80000000L, 0xffffffffL}) {
            refused("has the name of its backing file at", "backing_file_size " + n, i -> i.word(8, 2048)
                    .number(16, n));
        }
        opened("a backing file without a name", i -> i.word(8, 2048).number(16, 0));
        refused("may name no other file", "a backing file", i -> i.backing("base.raw"));
        for (String s : new String[] {"json:{}", "nbd://host/", "ssh:x", "a\nb", "\033[2J", "\u2028x"}) {
            refused("backing file", "backing file '" + s.replaceAll("\\p{C}|\u2028", "?") + "'", i -> i.backing(s));
        }
        refused("backing file", "a name that is no UTF-8", i -> i.backing("xxxx")
                .fill(i.cluster() - 4, 4, 0xff));
        refused("may name no other file", "a name of 1023 bytes", i -> i.backing("n".repeat(1023)));
    }

    private void extensions() {
        for (long n : new long[] {4096, 0x7fffffffL, 0x80000000L, 0xffffffffL}) {
            refused("has header extensions that don't end", "an extension of " + n, i -> i.withExtension(7, n));
        }
        refused("has header extensions that don't end", "65 extensions", i -> {
            for (int n = 0; n < 65; n++) {
                i.withExtension(n + 1, 0);
            }
        });
        opened("extensions up to the cluster's end", i -> i.fill(i.number(100), 4096 - i.number(100), 0)
                .number(i.number(100), 9)
                .number(i.number(100) + 4, 4096 - i.number(100) - 8));
        opened("an extension that is not known", i -> i.withExtension(0x12345678, 5, (byte) 1, (byte) 2));
        refused(
                "encryption extension of 8",
                "a short encryption extension",
                i -> i.withExtension(CRYPTO, 8, new byte[8]));
        refused(
                "bitmaps extension of 16",
                "a short bitmaps extension",
                i -> i.withExtension(BITMAPS, 16, new byte[16]));
        refused("no image format", "a backing format that is not known", i -> i.withExtension(
                        FORMAT, 3, (byte) 'f', (byte) 'o', (byte) 'o')
                .backing("x"));
        refused("no image format", "a backing format that rings a bell", i -> i.withExtension(
                        FORMAT, 2, (byte) 7, (byte) 27)
                .backing("x"));
        refused("may name no other file", "an external data file", i -> i.withExtension(DATA_FILE, 1, (byte) 'd')
                .word(72, Header.DATA_FILE));
        refused("doesn't name", "an external data file without bytes", i -> i.word(72, Header.DATA_FILE));
        opened("an external data file that no feature tells of", i -> i.withExtension(DATA_FILE, 1, (byte) 'd'));
    }

    // ---- mapping ----

    private void l1() {
        opened("an L1 entry to the header", i -> i.word(i.l1(), L2Entry.COPIED | 512));
        for (String s : new String[] {"header", "refcount table", "refcount block", "L1 table", "snapshots"}) {
            opened("L2 table over the " + s, i -> i.word(i.l1(), L2Entry.COPIED | place(i, s)));
        }
        opened("L2 table off alignment", i -> i.word(i.l1(), L2Entry.COPIED | i.l2() + 512));
        opened("L2 table past the file's end", i -> i.word(i.l1(), L2Entry.COPIED | 1L << 40));
        opened("L2 table at the highest place", i -> i.word(i.l1(), L2Entry.COPIED | L2Entry.OFFSET & -4096));
        opened("reserved bits in L1", i -> i.word(i.l1(), -1));
        opened("L2 table not marked as used once", i -> i.word(i.l1(), i.l2()));
        opened("cluster_size=512", "one L2 table for several parts", i -> {
            for (int n = 1; n < 30; n++) {
                i.word(i.l1() + 8 * n, i.word(i.l1()));
            }
        });
        opened("cluster_size=512", "an L1 table full of its own place", i -> {
            for (int n = 0; n < 32; n++) {
                i.word(i.l1() + 8 * n, L2Entry.COPIED | i.l1());
            }
        });
    }

    private static long place(ImageBytes i, String what) {
        return switch (what) {
            case "refcount table" -> i.refcountTable();
            case "refcount block" -> i.refcountBlock();
            case "L1 table" -> i.l1();
            case "L2 table" -> i.l2();
            case "snapshots" -> i.snapshots();
            default -> 0;
        };
    }

    private void l2() {
        for (String options : new String[] {SMALL, EXTENDED}) {
            for (String s : new String[] {"refcount table", "refcount block", "L1 table", "L2 table", "snapshots"}) {
                opened(options, "data over the " + s, i -> i.word(i.entry(0), L2Entry.COPIED | place(i, s)));
            }
            opened(options, "data off alignment", i -> i.word(i.entry(0), L2Entry.COPIED | i.l1() + 512));
            opened(options, "data past the file's end", i -> i.word(i.entry(0), L2Entry.COPIED | 1L << 40));
            opened(
                    options,
                    "data at the highest place",
                    i -> i.word(i.entry(0), L2Entry.COPIED | L2Entry.OFFSET & -65536));
            opened(options, "reserved bits in L2", i -> i.word(i.entry(0), i.word(i.entry(0)) | 0x7fL << 56 | 0x1fe));
            opened(options, "one place for two clusters", i -> i.word(i.entry(0), i.word(i.entry(1))));
            opened(options, "COPIED without a place", i -> i.word(i.entry(0), L2Entry.COPIED));
            opened(options, "an L2 table of ones", i -> i.fill(i.l2(), i.cluster(), 0xff));
        }
        opened(EXTENDED, "subclusters in two states", i -> i.word(i.entry(0) + 8, -1));
        opened(EXTENDED, "subclusters of no cluster", i -> i.word(i.entry(9), 0).word(i.entry(9) + 8, 0xff));
        opened(EXTENDED, "subclusters of compressed data", i -> i.word(i.entry(3) + 8, -1));
        opened(TWO, "zeros in version 2", i -> i.word(i.entry(9), 1));
    }

    private void refcounts() {
        for (String s : new String[] {"header", "refcount table", "L1 table", "L2 table", "snapshots"}) {
            opened("refcount block over the " + s, i -> i.word(i.refcountTable(), place(i, s)));
        }
        opened("refcount block off alignment", i -> i.word(i.refcountTable(), i.refcountBlock() + 512));
        opened("refcount block past the file's end", i -> i.word(i.refcountTable(), 1L << 40));
        opened("refcount block at the highest place", i -> i.word(i.refcountTable(), -4096));
        opened("refcount table of ones", i -> i.fill(i.refcountTable(), i.cluster(), 0xff));
        opened("one refcount block everywhere", i -> {
            for (int n = 1; n < 512; n++) {
                i.word(i.refcountTable() + 8 * n, i.refcountBlock());
            }
        });
        opened("no refcount block", i -> i.word(i.refcountTable(), 0));
        for (String options :
                new String[] {SMALL, "cluster_size=4k,refcount_bits=64", "cluster_size=4k,refcount_bits=1"}) {
            opened(options, "refcounts of zero", i -> i.fill(i.refcountBlock(), i.cluster(), 0));
            opened(options, "refcounts of ones", i -> i.fill(i.refcountBlock(), i.cluster(), 0xff));
        }
        opened("the header is not counted", i -> i.put(i.refcountBlock(), 0, 0));
    }

    private void compressed() {
        int bits = 12;
        for (String options : new String[] {SMALL, ZSTD}) {
            opened(
                    options,
                    "compressed data past the file's end",
                    i -> i.word(i.entry(3), L2Entry.compressed(1L << 40, 100, bits)));
            opened(
                    options,
                    "compressed data at the highest place",
                    i -> i.word(i.entry(3), L2Entry.COMPRESSED | -1L >>> 2));
            opened(
                    options,
                    "compressed data over the header",
                    i -> i.word(i.entry(3), L2Entry.compressed(0, 4096, bits)));
            opened(options, "compressed data marked as used once", i -> i.word(i.entry(3), i.word(i.entry(3)) | TOP));
            opened(options, "compressed data of zeros", i -> i.fill(i.compressed(3), 40, 0));
            opened(options, "compressed data of ones", i -> i.fill(i.compressed(3), 40, 0xff));
            opened(options, "compressed data cut off", i -> i.fill(i.compressed(3) + 8, 40, 0));
            opened(options, "compressed data with a byte changed", i -> i.put(i.compressed(3) + 6, 0x55));
        }
        opened("compressed data that inflates to less", i -> deflated(i, 100));
        opened("compressed data that inflates to far more", i -> deflated(i, 60 << 20));
        opened("compressed data that is stored, and ends early", i -> i.put(i.compressed(3), 1, 0xff, 0x7f, 0, 0x80));
        opened("compressed data that refers to what was never there", i -> i.put(i.compressed(3), 0x63, 0, 0x02, 0, 0));
        zstd("a window of 2^41 bytes", 0x00, 0xff, 1, 0, 0);
        zstd("a content of 2^64 bytes", 0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0);
        zstd("a dictionary", 0x03, 0x58, 0xff, 0xff, 0xff, 0xff, 1, 0, 0);
        zstd("a run of 2 MiB", 0x00, 0x58, 0xfb, 0xff, 0xff, 0x41);
        zstd("runs of 128 KiB", 0x00, 0x58, 2, 0, 0x10, 0x41, 2, 0, 0x10, 0x41, 3, 0, 0x10, 0x41);
        zstd("a block of the reserved type", 0x00, 0x58, 7, 0, 0, 0);
        zstd("blocks without end", 0x00, 0x58, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        zstd("a checksum that is wrong", 0x24, 0x10, 3, 0x80, 0, 0x41, 1, 2, 3, 4);
        zstd("an empty block", 0x00, 0x58, 1, 0, 0);
        opened(
                ZSTD,
                "a frame to be skipped",
                i -> i.put(i.compressed(3), 0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff));
    }

    private void zstd(String name, int... frame) {
        opened(ZSTD, "zstd with " + name, i -> i.fill(i.compressed(3), 60, 0)
                .put(i.compressed(3), 0x28, 0xb5, 0x2f, 0xfd)
                .put(i.compressed(3) + 4, frame));
    }

    /** A cluster's data that inflates to so many zeros, at the end of the file. */
    private static void deflated(ImageBytes i, int length) {
        Deflater d = new Deflater(9, true);
        d.setInput(new byte[length]);
        d.finish();
        byte[] to = new byte[1 << 20];
        int n = Math.min(8000, d.deflate(to));
        d.end();
        long at = i.end();
        int[] b = new int[n];
        for (int k = 0; k < n; k++) {
            b[k] = to[k];
        }
        i.put(at, b).word(i.entry(3), L2Entry.compressed(at, n, 12));
    }

    // ---- snapshots and bitmaps ----

    private void snapshots() {
        opened("a snapshot's L1 off alignment", i -> i.word(i.snapshots(), 513));
        opened("a snapshot's L1 past the file's end", i -> i.word(i.snapshots(), 1L << 40));
        opened("a snapshot's L1 at the highest place", i -> i.word(i.snapshots(), -4096));
        opened("a snapshot's L1 over the header", i -> i.word(i.snapshots(), 0));
        opened("a snapshot's L1 over the refcount table", i -> i.word(i.snapshots(), i.refcountTable()));
        opened("a snapshot's L1 is the active one", i -> i.word(i.snapshots(), i.l1()));
        for (long n : new long[] {0, 512, 0x100000, 0x400001, 0x80000000L, 0xffffffffL}) {
            opened("a snapshot's L1 of " + n + " entries", i -> i.number(i.snapshots() + 8, n));
        }
        opened("a snapshot's names of 128 KiB", i -> i.number(i.snapshots() + 12, -1));
        for (long n : new long[] {0, 7, 1024, 1025, 0x80000000L, 0xffffffffL}) {
            opened("a snapshot's extra data of " + n + " bytes", i -> i.number(i.snapshots() + 36, n));
        }
        opened("a snapshot's VM state without end", i -> i.number(i.snapshots() + 32, -1)
                .word(i.snapshots() + 40, -1));
        for (long size : new long[] {0, 1, TOP, -1, 1L << 50}) {
            opened("a snapshot of " + Long.toUnsignedString(size) + " bytes", i -> i.word(i.snapshots() + 48, size));
        }
        opened("a snapshot whose name would colour a terminal", i -> i.text(i.snapshots() + 65, "\033[1m"));
        opened("20 snapshots of 8 MiB of L1", i -> {
            long at = i.end() + 4095 & -4096;
            for (int n = 0; n < 20; n++) {
                i.number(at + 40L * n + 8, 0x100000);
            }
            i.number(60, 20).word(64, at);
        });
        opened("65,536 snapshots without anything", i -> {
            long at = i.end() + 4095 & -4096;
            i.fill(at, 40 * 65536, 0).number(60, 65536).word(64, at);
        });
    }

    private void bitmaps() {
        for (long n : new long[] {0, 2, 65535, 65536, 0x80000000L, 0xffffffffL}) {
            opened(n + " bitmaps", i -> i.number(i.extension(BITMAPS), n));
        }
        for (long n : new long[] {0, 1, 64 << 20, (64 << 20) + 1, TOP, -1}) {
            opened("bitmaps in " + Long.toUnsignedString(n) + " bytes", i -> i.word(i.extension(BITMAPS) + 8, n));
        }
        for (long at : new long[] {0, 1, 1L << 40, TOP, -1}) {
            opened("bitmaps at " + Long.toUnsignedString(at), i -> i.word(i.extension(BITMAPS) + 16, at));
        }
        for (long at : new long[] {0, 1, 4096, 1L << 40, TOP, -1}) {
            opened("a bitmap's table at " + Long.toUnsignedString(at), i -> i.word(directory(i), at));
        }
        for (long n : new long[] {0, 2, 0x8000000, 0x8000001, 0x80000000L, 0xffffffffL}) {
            opened("a bitmap's table of " + n, i -> i.number(directory(i) + 8, n));
        }
        opened("a bitmap in use", i -> i.number(directory(i) + 12, 1));
        opened("a bitmap with unknown flags", i -> i.number(directory(i) + 12, -1));
        opened("a bitmap of type 2", i -> i.put(directory(i) + 16, 2));
        for (int bits : new int[] {0, 8, 9, 31, 32, 63, 255}) {
            opened("a bitmap of granularity 2^" + bits, i -> i.put(directory(i) + 17, bits));
        }
        opened("a bitmap without a name", i -> i.put(directory(i) + 18, 0, 0));
        opened("a bitmap's name of 65,535", i -> i.put(directory(i) + 18, 255, 255));
        for (long n : new long[] {1, 1024, 0x80000000L, 0xffffffffL}) {
            opened("a bitmap's extra data of " + n, i -> i.number(directory(i) + 20, n));
        }
        for (long e : new long[] {1, 512, 4096, 1L << 40, TOP, -1}) {
            opened("a bitmap's bits at " + Long.toUnsignedString(e), i -> i.word(i.word(directory(i)), e));
        }
    }

    private static long directory(ImageBytes i) {
        return i.word(i.extension(BITMAPS) + 16);
    }

    private void encryption() {
        String luks = "cluster_size=4k,encrypt.format=luks,encrypt.iter-time=1";
        for (long at : new long[] {0, 4096, 1L << 40, TOP, -1, Long.MAX_VALUE}) {
            opened(luks, "encryption header at " + Long.toUnsignedString(at), i -> i.word(i.extension(CRYPTO), at));
        }
        for (long n : new long[] {0, 511, 512, 592, 4096, 1L << 40, TOP, -1, Long.MAX_VALUE}) {
            opened(luks, "encryption header of " + Long.toUnsignedString(n), i -> i.word(i.extension(CRYPTO) + 8, n));
        }
        opened(luks, "encryption that the header doesn't tell of", i -> i.number(32, 0));
        opened(luks, "encryption without magic", i -> i.put(i.word(i.extension(CRYPTO)), 0));
    }
}
