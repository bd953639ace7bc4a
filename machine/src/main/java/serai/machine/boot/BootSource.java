package serai.machine.boot;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What to boot.
 *
 * @param kernel a Linux bzImage or vmlinux, a PVH ELF file, or a multiboot 1 file
 * @param initrd the initial RAM disk, or the one module of a PVH or multiboot kernel; null for none
 * @param append the kernel's command line, empty for none
 */
public record BootSource(Path kernel, @Nullable Path initrd, String append) {}
