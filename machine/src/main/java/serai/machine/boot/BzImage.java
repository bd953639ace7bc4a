package serai.machine.boot;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.util.Arrays;

/**
 * The setup header of a Linux bzImage (Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
 *
 * <pre>
 *   0x1f1 1  setup_sects        0x22c 4  initrd_addr_max
 *   0x1fe 2  boot_flag 0xaa55   0x236 2  xloadflags
 *   0x201 1  end of header      0x238 4  cmdline_size
 *   0x202 4  "HdrS"             0x248 4  payload_offset
 *   0x206 2  version            0x24c 4  payload_length
 *   0x211 1  loadflags          0x258 8  pref_address
 *   0x230 4  kernel_alignment   0x260 4  init_size
 * </pre>
 */
final class BzImage {
    private static final int HDRS = 0x53726448;
    /** 2.12: the first with xloadflags. */
    private static final int MIN_VERSION = 0x20c;

    private static final int XLF_KERNEL_64 = 1;
    private static final int HEADER = 0x1f1;
    private static final int HEAD = 0x290;

    private final KernelFile file;
    private final byte[] head;
    private final long setupSize;

    private BzImage(KernelFile file, byte[] head) {
        this.file = file;
        this.head = head;
        int sectors = Le.u8(head, 0x1f1);
        setupSize = ((sectors == 0 ? 4 : sectors) + 1) * 512L;
    }

    /** Whether a file that begins like this is a bzImage, or what is left of one. */
    static boolean looksLike(byte[] head) {
        return head.length >= 0x206 && Le.u16(head, 0x1fe) == 0xaa55 && Le.i32(head, 0x202) == HDRS;
    }

    /** Reads and checks the header. */
    static BzImage parse(KernelFile file) throws BootException, IOException {
        BzImage image = new BzImage(file, file.read(0, HEAD));
        int version = Le.u16(image.head, 0x206);
        if (version < MIN_VERSION) {
            throw new BootException(file
                    + " is a Linux kernel with boot protocol %d.%02d; at least 2.12 (Linux 3.8) is needed"
                            .formatted(version >>> 8, version & 0xff));
        }
        if ((Le.u16(image.head, 0x236) & XLF_KERNEL_64) == 0) {
            throw new BootException(file + " is a 32-bit Linux kernel; only 64-bit ones can be started");
        }
        if (image.setupSize + 0x400 > file.size()) {
            throw file.truncated();
        }
        return image;
    }

    /** The header for boot_params, with its place there: from 0x1f1 to 0x202 plus the byte at 0x201. */
    byte[] header() {
        int end = Math.min(0x202 + Le.u8(head, 0x201), HEAD);
        return Arrays.copyOfRange(head, HEADER, end);
    }

    /** The highest address that the initrd may occupy. */
    long initrdMax() {
        return Le.u32(head, 0x22c);
    }

    /** The longest command line, without its final zero. */
    int cmdlineMax() {
        return (int) Math.min(Le.u32(head, 0x238), BootLayout.CMDLINE_MAX);
    }

    /**
     * Unpacks the payload and loads it. A payload in a format that only the kernel itself unpacks is loaded packed, and so is
     * a file without one: not Linux then, but what starts as Linux does (memtest86+).
     */
    LoadedKernel load(Ram ram) throws BootException, IOException {
        long offset = setupSize + Le.u32(head, 0x248);
        long length = Le.u32(head, 0x24c);
        if (Le.i64(head, 0x248) == 0) {
            return loadPacked(ram);
        }
        if (length < 16 || offset + length > file.size()) {
            throw file.truncated();
        }
        try (Arena arena = Arena.ofConfined()) {
            InputStream in = Payload.open(file, offset, length, arena);
            if (in == null) {
                return loadPacked(ram);
            }
            Elf elf = Elf.parse(file, new ForwardSource(file, in));
            elf.load(ram);
            return new LoadedKernel(elf.entry(), elf.end(), BootState.Protocol.LINUX64);
        } catch (IOException e) {
            throw new BootException(file + " has a damaged payload: " + e.getMessage(), e);
        }
    }

    /** Loads the protected-mode part as it is, at its preferred address; it needs init_size bytes there to unpack. */
    private LoadedKernel loadPacked(Ram ram) throws BootException, IOException {
        long at = Le.i64(head, 0x258);
        long size = file.size() - setupSize;
        long need = Math.max(Le.u32(head, 0x260), size);
        if (at < BootLayout.HIGH || at > 1L << 32) {
            throw new BootException(file + " has a damaged header: preferred load address %#x".formatted(at));
        }
        KernelPlace.check(file, ram, at, need);
        ram.copy(at, file, setupSize, size);
        return new LoadedKernel(at + 0x200, at + need, BootState.Protocol.LINUX64_PACKED);
    }

    /** A kernel in RAM: where to enter it, where it ends. */
    record LoadedKernel(long entry, long end, BootState.Protocol protocol) {}
}
