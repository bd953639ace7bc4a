package serai.image;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * An image that is started by its kernel.
 *
 * @param name as on the command line
 * @param kernel the Linux kernel
 * @param initrd its initramfs
 * @param append the command line it needs; the user's goes behind it
 * @param disk its raw disk, which has to be the machine's first, or null if it lives in memory. The one in the cache is
 *     never written to: {@link Machines} gives copies.
 */
public record Image(
        String name,
        Path kernel,
        Path initrd,
        String append,
        @Nullable Path disk) {}
