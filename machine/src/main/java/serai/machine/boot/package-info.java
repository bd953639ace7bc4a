/**
 * Boot loaders: they put a kernel, its initrd and its command line into guest RAM and say with which registers the boot
 * CPU starts. They stand in for firmware and boot loader both.
 *
 * <pre>{@code
 * BootSource source = new BootSource(Path.of("vmlinuz"), Path.of("initrd.cpio"), "console=ttyS0");
 * BootState boot = Loader.load(memory, source, rsdpAddress);
 * vcpu.restore(boot.cpu());
 * }</pre>
 *
 * <h2>Which protocol</h2>
 *
 * {@link serai.machine.boot.Loader} looks at the file, in this order:
 *
 * <ol>
 *   <li>a Linux bzImage starts by the 64-bit protocol of Linux ({@code Documentation/arch/x86/boot.rst}). Its payload is
 *       unpacked here, which spares the guest's CPU that work, and entered as the vmlinux that it is; a payload in a
 *       format unknown here is left to the kernel's own unpacker;
 *   <li>an ELF file that says it is Linux (its notes do) starts by the same protocol;
 *   <li>an ELF file with the Xen note {@code XEN_ELFNOTE_PHYS32_ENTRY} starts by PVH, in 32-bit protected mode;
 *   <li>a file with a multiboot 1 header in its first 8 KiB starts by multiboot;
 *   <li>any other 64-bit ELF file is taken for Linux.
 * </ol>
 *
 * <h2>Where things lie</h2>
 *
 * Everything the loader adds lies in {@link serai.machine.boot.BootLayout}, below 640 KiB, except the initrd, which goes
 * as high as the kernel allows. Files are hostile: every offset, size and count of theirs is checked against the file and
 * against RAM before use, and what is wrong is told in one sentence by {@link serai.machine.boot.BootException}.
 */
@NullMarked
package serai.machine.boot;

import org.jspecify.annotations.NullMarked;
