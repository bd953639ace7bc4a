package serai.machine.boot;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.boot.BzImage.LoadedKernel;

/** The 64-bit boot protocol of Linux: boot_params, command line and initrd beside a kernel that is loaded. */
final class LinuxBoot {
    private static final int BOOT_PARAMS_SIZE = 4096;
    private static final int MAX_E820 = 128;
    /** What a vmlinux without a setup header takes: COMMAND_LINE_SIZE and the limit of initrds, both of x86 Linux. */
    private static final int CMDLINE_MAX = 2047;

    private static final long INITRD_MAX = 0x7fffffff;

    private LinuxBoot() {}

    static BootState bzImage(KernelFile file, Ram ram, @Nullable KernelFile initrd, String append, long rsdp)
            throws BootException, IOException {
        BzImage image = BzImage.parse(file);
        Cmdline.check(file, append, image.cmdlineMax());
        LoadedKernel kernel = image.load(ram);
        return finish(kernel, image.header(), image.initrdMax(), ram, initrd, append, rsdp);
    }

    static BootState vmlinux(KernelFile file, Elf elf, Ram ram, @Nullable KernelFile initrd, String append, long rsdp)
            throws BootException, IOException {
        Cmdline.check(file, append, CMDLINE_MAX);
        if (!elf.covers(elf.entry())) {
            throw new BootException(file + " has an entry point outside of what it loads: %#x".formatted(elf.entry()));
        }
        elf.load(ram);
        byte[] header = new byte[0x268 - 0x1f1];
        Le.put16(header, 0x1fe - 0x1f1, 0xaa55);
        Le.put32(header, 0x202 - 0x1f1, 0x53726448);
        Le.put16(header, 0x206 - 0x1f1, 0x20f);
        header[0x211 - 0x1f1] = 1; // LOADED_HIGH
        Le.put32(header, 0x230 - 0x1f1, 0x200000);
        Le.put32(header, 0x238 - 0x1f1, CMDLINE_MAX);
        LoadedKernel kernel = new LoadedKernel(elf.entry(), elf.end(), BootState.Protocol.LINUX64);
        return finish(kernel, header, INITRD_MAX, ram, initrd, append, rsdp);
    }

    private static BootState finish(
            LoadedKernel kernel,
            byte[] header,
            long initrdMax,
            Ram ram,
            @Nullable KernelFile initrd,
            String append,
            long rsdp)
            throws BootException, IOException {
        Initrd.Place place = Initrd.load(initrd, ram, kernel.end(), initrdMax + 1);
        Cmdline.write(ram, append);
        byte[] p = new byte[BOOT_PARAMS_SIZE];
        Le.put64(p, 0x70, rsdp); // acpi_rsdp_addr
        System.arraycopy(header, 0, p, 0x1f1, header.length);
        Le.put16(p, 0x1fa, 0xffff); // vid_mode: normal
        p[0x210] = (byte) 0xff; // type_of_loader: none of the registered
        Le.put32(p, 0x218, place.address());
        Le.put32(p, 0x21c, place.size());
        Le.put32(p, 0x228, BootLayout.CMDLINE);
        Le.put64(p, 0x250, 0); // setup_data
        // screen_info stays zero: there is no display
        List<MemoryRange> map = ram.map.ranges();
        int n = Math.min(map.size(), MAX_E820);
        p[0x1e8] = (byte) n;
        for (int i = 0; i < n; i++) {
            Le.put64(p, 0x2d0 + i * 20, map.get(i).base());
            Le.put64(p, 0x2d8 + i * 20, map.get(i).size());
            Le.put32(p, 0x2e0 + i * 20, map.get(i).type());
        }
        ram.memory.write(BootLayout.INFO, p);
        return new BootState(
                kernel.protocol(),
                InitialCpu.linux64(ram.memory, kernel.entry(), BootLayout.INFO),
                kernel.end(),
                place.address(),
                place.size());
    }
}
