package serai.machine.boot;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.airlift.compress.v3.lz4.Lz4JavaCompressor;
import io.airlift.compress.v3.zstd.ZstdJavaCompressor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.tukaani.xz.FilterOptions;
import org.tukaani.xz.LZMA2Options;
import org.tukaani.xz.LZMAOutputStream;
import org.tukaani.xz.X86Options;
import org.tukaani.xz.XZOutputStream;
import serai.machine.engine.CpuState;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

class LoaderTest {
    private static final int MIB = 1 << 20;
    private static final long RSDP = 0xe0010;

    @TempDir
    Path dir = Path.of("");

    private final Arena arena = Arena.ofShared();

    @AfterEach
    void close() {
        arena.close();
    }

    private GuestMemory ram(long bytes) {
        long host = arena.allocate(bytes, 4096).address();
        return new GuestMemory(List.of(new RamRegion(0, bytes, host, false, -1, 0)));
    }

    private Path file(String name, byte[] content) throws IOException {
        return Files.write(dir.resolve(name), content);
    }

    private BootState load(GuestMemory memory, byte[] kernel, byte @Nullable [] initrd, String append)
            throws BootException, IOException {
        return Loader.load(
                memory,
                new BootSource(file("kernel", kernel), initrd == null ? null : file("initrd", initrd), append),
                RSDP);
    }

    private String refusal(long ramBytes, byte[] kernel, byte @Nullable [] initrd, String append) throws IOException {
        GuestMemory memory = ram(ramBytes);
        Path k = file("kernel", kernel);
        Path i = initrd == null ? null : file("initrd", initrd);
        String message = assertThrows(
                        BootException.class, () -> Loader.load(memory, new BootSource(k, i, append), RSDP))
                .getMessage();
        return message == null ? "" : message.replace(dir.toString() + "/", "");
    }

    private static byte[] code(int length) {
        byte[] b = new byte[length];
        new Random(42).nextBytes(b);
        return b;
    }

    private static String string(GuestMemory m, long at) {
        StringBuilder s = new StringBuilder();
        for (int c; (c = m.readByte(at++)) != 0; ) {
            s.append((char) c);
        }
        return s.toString();
    }

    // ---- Linux ----

    enum Packing {
        GZIP,
        XZ,
        LZMA,
        LZ4,
        ZSTD,
        BZIP2;

        byte[] pack(byte[] b) throws IOException {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            switch (this) {
                case GZIP -> write(new GZIPOutputStream(out), b);
                case XZ ->
                    write(
                            new XZOutputStream(
                                    out,
                                    new FilterOptions[] {new X86Options(), new LZMA2Options(3)},
                                    org.tukaani.xz.XZ.CHECK_CRC32),
                            b);
                case LZMA -> write(new LZMAOutputStream(out, new LZMA2Options(3), -1), b);
                case LZ4 -> {
                    out.write(new byte[] {0x02, 0x21, 0x4c, 0x18});
                    for (int at = 0; at < b.length; at += 8 * MIB) {
                        int n = Math.min(8 * MIB, b.length - at);
                        Lz4JavaCompressor c = new Lz4JavaCompressor();
                        byte[] packed = new byte[c.maxCompressedLength(n)];
                        int size = c.compress(b, at, n, packed, 0, packed.length);
                        out.write(le32(size));
                        out.write(packed, 0, size);
                    }
                }
                case ZSTD -> {
                    ZstdJavaCompressor c = new ZstdJavaCompressor();
                    byte[] packed = new byte[c.maxCompressedLength(b.length)];
                    out.write(packed, 0, c.compress(b, 0, b.length, packed, 0, packed.length));
                }
                case BZIP2 -> out.write("BZh9 left to the kernel".getBytes(StandardCharsets.US_ASCII));
            }
            if (this != GZIP) {
                out.write(le32(b.length));
            }
            return out.toByteArray();
        }

        private static void write(OutputStream to, byte[] b) throws IOException {
            try (to) {
                to.write(b);
            }
        }
    }

    private static byte[] le32(int v) {
        byte[] b = new byte[4];
        Le.put32(b, 0, v);
        return b;
    }

    /** Setup sectors, then 0x400 bytes of entry code, then the payload. */
    private static byte[] bzImage(byte[] payload) {
        byte[] b = new byte[5 * 512 + 0x400 + payload.length];
        b[0] = 'M';
        b[1] = 'Z';
        b[0x1f1] = 4;
        Le.put16(b, 0x1fe, 0xaa55);
        Le.put16(b, 0x200, 0x66eb);
        Le.put32(b, 0x202, 0x53726448);
        Le.put16(b, 0x206, 0x20f);
        Le.put32(b, 0x22c, 0x7fffffff);
        Le.put32(b, 0x230, 0x200000);
        Le.put16(b, 0x236, 0x3f);
        Le.put32(b, 0x238, 2047);
        Le.put32(b, 0x248, 0x400);
        Le.put32(b, 0x24c, payload.length);
        Le.put64(b, 0x258, 0x1000000);
        Le.put32(b, 0x260, 2 * MIB);
        System.arraycopy(payload, 0, b, 5 * 512 + 0x400, payload.length);
        return b;
    }

    /** Like a vmlinux: text at 16 MiB, then data with a zeroed tail. */
    private static byte[] vmlinux(byte[] text, byte[] data) {
        return new ElfBuilder(true)
                .entry(0x1000000)
                .load(0x1000000, text, text.length)
                .load(0x1400000, data, data.length + 100_000)
                .build();
    }

    @ParameterizedTest
    @EnumSource(
            value = Packing.class,
            names = {"GZIP", "XZ", "LZMA", "LZ4", "ZSTD"})
    void bzImage_isUnpackedAndEnteredAtItsElfEntry(Packing packing) throws Exception {
        byte[] text = code(300_000);
        byte[] data = new byte[9 * MIB];
        Arrays.fill(data, (byte) 7);
        GuestMemory m = ram(64 * MIB);
        m.writeInt(0x1400000 + data.length, 99);
        byte[] initrd = code(5000);
        BootState s = load(m, bzImage(packing.pack(vmlinux(text, data))), initrd, "console=ttyS0");

        assertEquals(BootState.Protocol.LINUX64, s.protocol());
        assertArrayEquals(text, m.read(0x1000000, text.length));
        assertArrayEquals(data, m.read(0x1400000, data.length));
        assertEquals(0, m.readInt(0x1400000 + data.length));
        assertEquals(0x1400000 + data.length + 100_000, s.kernelEnd());

        assertEquals(64 * MIB - 8192, s.initrdAddress());
        assertArrayEquals(initrd, m.read(s.initrdAddress(), initrd.length));
        linuxEntryState(m, s, 0x1000000);
        long p = s.cpu().gpr()[6];
        assertEquals(0xff, m.readByte(p + 0x210));
        assertEquals(0x53726448, m.readInt(p + 0x202));
        assertEquals(2 * MIB, m.readInt(p + 0x260));
        assertEquals(s.initrdAddress(), m.readInt(p + 0x218));
        assertEquals(5000, m.readInt(p + 0x21c));
        assertEquals("console=ttyS0", string(m, m.readInt(p + 0x228)));
        assertEquals(RSDP, m.readLong(p + 0x70));
        assertEquals(0, m.readByte(p + 0x1ef), "sentinel");
    }

    private static void linuxEntryState(GuestMemory m, BootState s, long entry) {
        CpuState c = s.cpu();
        assertEquals(entry, c.rip());
        assertEquals(2, c.rflags());
        assertEquals(0x10, c.segments()[CpuState.CS].selector());
        assertTrue((c.segments()[CpuState.CS].attributes() & Segment.L) != 0);
        for (int i : new int[] {CpuState.DS, CpuState.ES, CpuState.SS}) {
            assertEquals(0x18, c.segments()[i].selector());
        }
        assertEquals(0x80010031L, c.cr()[0]);
        assertEquals(0x20, c.cr()[3], "PAE");
        assertEquals(0x500, c.msr(Msr.EFER, 0));
        for (long linear : new long[] {0, 0x1000000, 0x7fffffff, 0xfee00000L}) {
            long pdpt = m.readLong(c.cr()[2] + 8 * (linear >>> 39)) & ~0xfffL;
            long pd = m.readLong(pdpt + 8 * (linear >>> 30)) & ~0xfffL;
            long pde = m.readLong(pd + 8 * (linear >>> 21 & 511));
            assertEquals(0x83, pde & 0xfff);
            assertEquals(linear & ~0x1fffffL, pde & ~0xfffL);
        }
    }

    @Test
    void bzImage_withPayloadOnlyTheKernelUnpacks_isEnteredAt0x200() throws Exception {
        GuestMemory m = ram(64 * MIB);
        byte[] image = bzImage(Packing.BZIP2.pack(new byte[0]));
        BootState s = load(m, image, null, "");
        assertEquals(BootState.Protocol.LINUX64_PACKED, s.protocol());
        linuxEntryState(m, s, 0x1000200);
        assertArrayEquals(Arrays.copyOfRange(image, 5 * 512, image.length), m.read(0x1000000, image.length - 5 * 512));
        assertEquals(0x1200000, s.kernelEnd());
    }

    @Test
    void bzImage_withoutPayload_isLoadedAsItIs() throws Exception {
        GuestMemory m = ram(64 * MIB);
        byte[] image = bzImage(code(10_000)); // memtest86+ is such a file
        Le.put64(image, 0x248, 0);
        BootState s = load(m, image, null, "console=ttyS0");
        linuxEntryState(m, s, 0x1000200);
        assertArrayEquals(Arrays.copyOfRange(image, 5 * 512, image.length), m.read(0x1000000, image.length - 5 * 512));
    }

    @Test
    void zstd_withTheKernelsWindowOf128MiB() throws Exception {
        byte[] elf = vmlinux(code(100_000), code(1000));
        byte[] packed = Packing.ZSTD.pack(elf);
        // as "zstd -22 --ultra" from a pipe: no content size, a window of 2^27
        int descriptor = packed[4] & 0xff;
        boolean single = (descriptor & 0x20) != 0;
        int sizeBytes = new int[] {single ? 1 : 0, 2, 4, 8}[descriptor >>> 6];
        int headerEnd = 5 + (single ? 0 : 1) + sizeBytes;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(packed, 0, 4);
        out.write(descriptor & 0x04);
        out.write(17 << 3);
        out.write(packed, headerEnd, packed.length - headerEnd);
        GuestMemory m = ram(64 * MIB);
        BootState s = load(m, bzImage(out.toByteArray()), null, "");
        assertEquals(0x1000000, s.cpu().rip());
        assertArrayEquals(code(100_000), m.read(0x1000000, 100_000));
    }

    @Test
    void vmlinux_startsByTheSameProtocol() throws Exception {
        GuestMemory m = ram(64 * MIB);
        byte[] elf = new ElfBuilder(true)
                .entry(0x1000010)
                .load(0x1000000, code(5000), 5000)
                .note("Xen", 6, "linux\0".getBytes(StandardCharsets.US_ASCII))
                .note("Xen", 18, le32(0x1000020))
                .build();
        BootState s = load(m, elf, code(10), "quiet");
        linuxEntryState(m, s, 0x1000010);
        long p = s.cpu().gpr()[6];
        assertEquals(0x53726448, m.readInt(p + 0x202));
        assertEquals(0xaa55, m.readShort(p + 0x1fe));
        assertEquals("quiet", string(m, m.readInt(p + 0x228)));
    }

    @Test
    void e820_comesFromTheRegions() throws Exception {
        long low = arena.allocate(32 * MIB, 4096).address();
        long high = arena.allocate(2 * MIB, 4096).address();
        GuestMemory m = new GuestMemory(List.of(
                new RamRegion(0, 32 * MIB, low, false, -1, 0), new RamRegion(1L << 32, 2 * MIB, high, false, -1, 0)));
        BootState s = Loader.load(
                m,
                new BootSource(file("k", vmlinux(code(100), code(100))), null, ""),
                RSDP,
                List.of(new MemoryRange(31 * MIB, 64 << 10, MemoryRange.ACPI)));
        long p = s.cpu().gpr()[6];
        StringBuilder map = new StringBuilder();
        for (int i = 0; i < m.readByte(p + 0x1e8); i++) {
            long e = p + 0x2d0 + i * 20L;
            map.append("%x+%x:%d ".formatted(m.readLong(e), m.readLong(e + 8), m.readInt(e + 16)));
        }
        assertEquals(
                "0+9fc00:1 9fc00+400:2 e0000+20000:2 100000+1e00000:1 1f00000+10000:3 1f10000+f0000:1 100000000+200000:1",
                map.toString().trim());
    }

    // ---- PVH ----

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void pvh_startsIn32BitModeWithStartInfoInEbx(boolean wide) throws Exception {
        GuestMemory m = ram(8 * MIB);
        byte[] text = code(777);
        byte[] elf = new ElfBuilder(wide)
                .entry(0x100000)
                .load(0x100000, text, 9000)
                .note("GNU", 3, new byte[20])
                .note("Xen", 18, wide ? new byte[] {0x40, 0, 0x10, 0, 0, 0, 0, 0} : le32(0x100040))
                .build();
        byte[] module = code(4097);
        BootState s = load(m, elf, module, "a b");
        assertEquals(BootState.Protocol.PVH, s.protocol());
        CpuState c = s.cpu();
        assertEquals(0x100040, c.rip());
        assertEquals(0x11, c.cr()[0]);
        assertEquals(0, c.cr()[3]);
        assertEquals(0, c.msr(Msr.EFER, -1));
        assertEquals(Segment.DB, c.segments()[CpuState.CS].attributes() & (Segment.DB | Segment.L));
        assertEquals(-1, c.segments()[CpuState.SS].limit());
        long info = c.gpr()[3];
        assertEquals(0x336ec578, m.readInt(info));
        assertEquals(1, m.readInt(info + 4));
        assertEquals(1, m.readInt(info + 12));
        long mods = m.readLong(info + 16);
        assertArrayEquals(module, m.read(m.readLong(mods), (int) m.readLong(mods + 8)));
        assertEquals("a b", string(m, m.readLong(info + 24)));
        assertEquals(RSDP, m.readLong(info + 32));
        long map = m.readLong(info + 40);
        assertEquals(4, m.readInt(info + 48));
        assertEquals(0x9fc00, m.readLong(map + 8));
        assertEquals(7 * MIB, m.readLong(map + 3 * 24 + 8));
        assertArrayEquals(text, m.read(0x100000, text.length));
    }

    // ---- multiboot ----

    private static byte[] multibootHeader(int flags, int... addresses) {
        byte[] b = new byte[12 + addresses.length * 4];
        Le.put32(b, 0, 0x1badb002);
        Le.put32(b, 4, flags);
        Le.put32(b, 8, -(0x1badb002 + flags));
        for (int i = 0; i < addresses.length; i++) {
            Le.put32(b, 12 + i * 4, addresses[i]);
        }
        return b;
    }

    @Test
    void multiboot_elf() throws Exception {
        GuestMemory m = ram(8 * MIB);
        byte[] text = Arrays.copyOf(multibootHeader(3), 2000);
        byte[] module = code(100);
        BootState s = load(
                m,
                new ElfBuilder(false).entry(0x100010).load(0x100000, text, 3000).build(),
                module,
                "one two");
        assertEquals(BootState.Protocol.MULTIBOOT, s.protocol());
        assertEquals(0x100010, s.cpu().rip());
        assertEquals(0x2badb002L, s.cpu().gpr()[0]);
        long info = s.cpu().gpr()[3];
        assertEquals(0b1001001101, m.readInt(info));
        assertEquals(639, m.readInt(info + 4));
        assertEquals(7 * 1024, m.readInt(info + 8));
        assertEquals("kernel one two", string(m, m.readInt(info + 16)));
        long mod = m.readInt(info + 24);
        assertArrayEquals(module, m.read(m.readInt(mod), m.readInt(mod + 4) - m.readInt(mod)));
        assertEquals(4 * 24, m.readInt(info + 44));
        assertEquals(20, m.readInt(m.readInt(info + 48)));
        assertEquals("serai", string(m, m.readInt(info + 64)));
    }

    @Test
    void multiboot_addressesInTheHeader() throws Exception {
        GuestMemory m = ram(8 * MIB);
        byte[] image = new byte[4096];
        Arrays.fill(image, (byte) 0x90);
        byte[] h = multibootHeader(1 << 16, 0x200040, 0x200000, 0x200100, 0x201000, 0x200080);
        System.arraycopy(h, 0, image, 512 + 0x40, h.length);
        m.writeInt(0x200200, 99);
        BootState s = load(m, image, null, "");
        assertEquals(0x200080, s.cpu().rip());
        assertEquals(0x201000, s.kernelEnd());
        assertArrayEquals(Arrays.copyOfRange(image, 512, 512 + 0x100), m.read(0x200000, 0x100));
        assertEquals(0, m.readInt(0x200200));
    }

    // ---- refusals ----

    @Test
    void refusals_areOneSentence() throws Exception {
        byte[] linux = bzImage(Packing.LZ4.pack(vmlinux(code(300_000), code(1000))));
        assertEquals("kernel kernel is empty", refusal(64 * MIB, new byte[0], null, ""));
        assertEquals("kernel kernel is truncated", refusal(64 * MIB, Arrays.copyOf(linux, 0x220), null, ""));
        assertEquals(
                "kernel kernel is truncated", refusal(64 * MIB, Arrays.copyOf(linux, linux.length - 50), null, ""));
        assertEquals(
                "kernel kernel does not fit in RAM: it needs memory up to 17 MiB, the guest has 16 MiB",
                refusal(16 * MIB, linux, null, ""));
        assertEquals(
                "initrd initrd does not fit in RAM: it has 44 MiB, and beside the kernel the guest has 43 MiB for it",
                refusal(64 * MIB, linux, new byte[44 * MIB], ""));
        assertEquals("initrd initrd is empty", refusal(64 * MIB, linux, new byte[0], ""));
        assertEquals(
                "the kernel command line has 2048 bytes, kernel kernel takes at most 2047",
                refusal(64 * MIB, linux, null, "x".repeat(2048)));
        assertEquals(
                "kernel kernel is not a kernel that can be started (bzImage, ELF or multiboot): it looks like text",
                refusal(64 * MIB, "hello\n".getBytes(StandardCharsets.US_ASCII), null, ""));
        assertEquals(
                "kernel kernel is not a kernel that can be started (bzImage, ELF or multiboot): it looks like gzip-compressed data",
                refusal(64 * MIB, Packing.GZIP.pack(linux), null, ""));
        assertEquals(
                "kernel kernel asks by multiboot flags 0x4 for what is not offered (a graphics mode)",
                refusal(64 * MIB, multibootHeader(4), null, ""));
        byte[] arm = new ElfBuilder(true).entry(1).load(0x100000, code(10), 10).build();
        Le.put16(arm, 0x12, 183);
        assertEquals(
                "kernel kernel is an ELF file for another kind of CPU (AArch64); Serai runs x86-64",
                refusal(64 * MIB, arm, null, ""));
        byte[] old = linux.clone();
        Le.put16(old, 0x236, 0);
        assertEquals(
                "kernel kernel is a 32-bit Linux kernel; only 64-bit ones can be started",
                refusal(64 * MIB, old, null, ""));
        assertEquals(
                "kernel kernel wants memory at 0x90000, where the boot loader keeps its tables",
                refusal(
                        64 * MIB,
                        new ElfBuilder(true)
                                .entry(0x90000)
                                .load(0x90000, code(10), 10)
                                .build(),
                        null,
                        ""));
        assertEquals("the guest needs RAM beyond 1 MiB to start a kernel", refusal(MIB, linux, null, ""));
    }

    @Test
    void missingFilesAreRefused() throws Exception {
        GuestMemory m = ram(8 * MIB);
        Path none = dir.resolve("none");
        BootException e = assertThrows(BootException.class, () -> Loader.load(m, new BootSource(none, null, ""), 0));
        assertEquals("kernel " + none + " does not exist", e.getMessage());
        e = assertThrows(BootException.class, () -> Loader.load(m, new BootSource(dir, null, ""), 0));
        assertEquals("kernel " + dir + " is a directory", e.getMessage());
    }

    /** Damaged files of every format: loaded or refused, and nothing else; the seed is in the message. */
    @Test
    void damagedFiles_areLoadedOrRefused() throws Exception {
        byte[] text = code(20_000);
        byte[] data = code(1000);
        byte[] multiboot =
                Arrays.copyOf(multibootHeader(1 << 16, 0x200000, 0x200000, 0x200100, 0x201000, 0x200080), 4096);
        byte[] pvh = new ElfBuilder(false)
                .entry(0x100000)
                .load(0x100000, text, 30_000)
                .note("Xen", 18, le32(0x100040))
                .build();
        List<byte[]> seeds = List.of(
                bzImage(Packing.GZIP.pack(vmlinux(text, data))),
                bzImage(Packing.XZ.pack(vmlinux(text, data))),
                bzImage(Packing.LZMA.pack(vmlinux(text, data))),
                bzImage(Packing.LZ4.pack(vmlinux(text, data))),
                bzImage(Packing.ZSTD.pack(vmlinux(text, data))),
                vmlinux(text, data),
                pvh,
                multiboot);
        GuestMemory m = ram(32 * MIB);
        for (int seed = 0; seed < 800; seed++) {
            Random random = new Random(seed);
            byte[] k = seeds.get(seed % seeds.size()).clone();
            int hot = random.nextBoolean() ? Math.min(k.length, 0x290) : k.length;
            for (int i = random.nextInt(1, 6); i > 0; i--) {
                k[random.nextInt(hot)] = (byte) random.nextInt();
            }
            if (random.nextInt(4) == 0) {
                k = Arrays.copyOf(k, random.nextInt(k.length));
            }
            try {
                load(m, k, null, "");
            } catch (BootException expected) {
                assertTrue(
                        expected.getMessage() != null && expected.getMessage().indexOf('\n') < 0);
            } catch (RuntimeException | Error e) {
                throw new AssertionError("seed " + seed, e);
            }
        }
    }
}
