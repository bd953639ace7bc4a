package serai.image;

import java.nio.file.Path;

/**
 * An image that is started by its kernel.
 *
 * @param name as on the command line
 * @param kernel the Linux kernel
 * @param initrd its initramfs
 * @param append the command line it needs; the user's goes behind it
 */
public record Image(String name, Path kernel, Path initrd, String append) {}
