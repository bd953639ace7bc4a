package serai.machine.boot;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;

/** Loads kernels; the package's page says which and how. */
public final class Loader {
    private static final int HEAD = 8192;

    private Loader() {}

    /**
     * {@link #load(GuestMemory, BootSource, long, List)} with nothing reserved but the BIOS area below 1 MiB, which is
     * where the ACPI tables lie then.
     */
    public static BootState load(GuestMemory memory, BootSource source, long rsdpAddress) throws BootException {
        return load(memory, source, rsdpAddress, List.of());
    }

    /**
     * Puts the kernel, its initrd and the tables of its boot protocol into guest RAM.
     *
     * @param memory with RAM from address 0 to beyond 1 MiB
     * @param rsdpAddress guest-physical address of the ACPI RSDP, 0 for none
     * @param reserved ranges to tell the guest of, and to keep out of, beside the BIOS area from 0xe0000 to 0xfffff
     * @return the state to start the boot CPU in
     * @throws BootException if a file is refused; RAM may hold parts of it
     */
    public static BootState load(GuestMemory memory, BootSource source, long rsdpAddress, List<MemoryRange> reserved)
            throws BootException {
        Ram ram = new Ram(memory, MemoryMap.of(memory, reserved));
        if (!ram.map.isRam(BootLayout.BOOT_DATA, BootLayout.BOOT_DATA_END - BootLayout.BOOT_DATA)
                || ram.map.lowRamEnd() == BootLayout.HIGH) {
            throw new BootException("the guest needs RAM beyond 1 MiB to start a kernel");
        }
        Path initrdPath = source.initrd();
        try (KernelFile kernel = KernelFile.open("kernel", source.kernel());
                KernelFile initrd = initrdPath == null ? null : KernelFile.open("initrd", initrdPath)) {
            return load(kernel, ram, initrd, source.append(), rsdpAddress);
        } catch (IOException e) {
            throw new BootException("kernel " + source.kernel() + " can't be read: " + e.getMessage(), e);
        } catch (GuestAddressException e) {
            throw new BootException("kernel " + source.kernel() + " does not fit in RAM: " + e.getMessage(), e);
        }
    }

    private static BootState load(KernelFile kernel, Ram ram, @Nullable KernelFile initrd, String append, long rsdp)
            throws BootException, IOException {
        byte[] head = kernel.head(HEAD);
        if (BzImage.looksLike(head)) {
            return LinuxBoot.bzImage(kernel, ram, initrd, append, rsdp);
        }
        int multiboot = Multiboot.find(head);
        if (Elf.looksLike(head) && (multiboot < 0 || (Le.i32(head, multiboot + 4) & 1 << 16) == 0)) {
            Elf elf = Elf.parse(kernel, kernel);
            if (elf.wide() && elf.isLinux()) {
                return LinuxBoot.vmlinux(kernel, elf, ram, initrd, append, rsdp);
            }
            OptionalLong pvh = elf.pvhEntry();
            if (pvh.isPresent()) {
                return PvhBoot.load(kernel, elf, pvh.getAsLong(), ram, initrd, append, rsdp);
            }
            if (multiboot < 0) {
                if (elf.wide()) {
                    return LinuxBoot.vmlinux(kernel, elf, ram, initrd, append, rsdp);
                }
                throw new BootException(
                        kernel + " is a 32-bit ELF file with neither a PVH entry note nor a multiboot header");
            }
        }
        if (multiboot >= 0) {
            return Multiboot.load(kernel, head, multiboot, ram, initrd, append);
        }
        throw new BootException(
                kernel + " is not a kernel that can be started (bzImage, ELF or multiboot): it looks like "
                        + Foreign.describe(head));
    }
}
