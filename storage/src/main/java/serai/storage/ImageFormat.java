package serai.storage;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The formats of disk images, by the names that {@code qemu-img} has for them.
 *
 * <p>What format a disk has is a fact its owner states, by name or by the file name's suffix. {@link #probe} looks at bytes, which a
 * guest with a raw disk can write as it likes: it serves to show what a file looks like, and never to open a VM's disk.
 */
public enum ImageFormat {
    /** Byte n of the file is byte n of the disk. */
    RAW("raw", "raw", "img", "iso"),
    /** QEMU copy on write, versions 2 and 3. */
    QCOW2("qcow2", "qcow2"),
    /** VMware: sparse and stream-optimised, and descriptors with their extents. For reading. */
    VMDK("vmdk", "vmdk"),
    /** Virtual PC's VHD: fixed and dynamic. For reading. */
    VPC("vpc", "vhd", "vpc"),
    /** Hyper-V's VHDX. For reading. */
    VHDX("vhdx", "vhdx"),
    /** A LUKS1 or LUKS2 volume. */
    LUKS("luks", "luks");

    /** Bytes at the start that tell a format. */
    private static final int HEAD = 512;

    private final String word;
    private final String[] suffixes;

    ImageFormat(String word, String... suffixes) {
        this.word = word;
        this.suffixes = suffixes;
    }

    /** As qemu-img calls it. */
    public String word() {
        return word;
    }

    /** All names, for messages and help. */
    public static String words() {
        return Arrays.stream(values()).map(ImageFormat::word).collect(Collectors.joining(", "));
    }

    /**
     * By its name, or a common suffix for it ({@code vhd}).
     *
     * @throws DiskException if there is none of that name
     */
    public static ImageFormat named(String name) throws DiskException {
        return suffixed(name)
                .orElseThrow(() -> new DiskException(
                        "there is no image format '" + References.printable(name) + "'; there are " + words()));
    }

    /** What the suffix of a file's name says; empty if that says nothing. */
    public static Optional<ImageFormat> ofName(Path file) {
        String name = String.valueOf(file.getFileName());
        int dot = name.lastIndexOf('.');
        return dot < 0 ? Optional.empty() : suffixed(name.substring(dot + 1));
    }

    private static Optional<ImageFormat> suffixed(String suffix) {
        String s = suffix.toLowerCase(Locale.ROOT);
        return Arrays.stream(values())
                .filter(f -> f.word.equals(s) || Arrays.asList(f.suffixes).contains(s))
                .findFirst();
    }

    /** What a file looks like; {@link #RAW} if like no other. See the class about trust. */
    public static ImageFormat probe(ImageFile file) throws IOException {
        long size = file.size();
        try (NativeBuffer buffer = new NativeBuffer(HEAD)) {
            MemorySegment head = buffer.segment();
            file.read(0, head.address(), HEAD);
            if (begins(head, "QFI\u00fb")) {
                return QCOW2;
            }
            if (begins(head, "KDMV") || begins(head, "COWD") || begins(head, "# Disk DescriptorFile")) {
                return VMDK;
            }
            if (begins(head, "vhdxfile")) {
                return VHDX;
            }
            if (begins(head, "LUKS\u00ba\u00be")) {
                return LUKS;
            }
            if (begins(head, "conectix")) {
                return VPC;
            }
            if (size >= HEAD) { // a fixed VHD has its footer alone
                file.read(size - HEAD, head.address(), HEAD);
                if (begins(head, "conectix")) {
                    return VPC;
                }
            }
            return RAW;
        }
    }

    private static boolean begins(MemorySegment head, String magic) {
        byte[] m = magic.getBytes(StandardCharsets.ISO_8859_1);
        return head.asSlice(0, m.length).mismatch(MemorySegment.ofArray(m)) == -1
                && head.get(ValueLayout.JAVA_BYTE, 0) != 0;
    }
}
