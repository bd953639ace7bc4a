/**
 * Guest images: made on the user's machine from the distribution's own packages, and cached.
 *
 * <pre>{@code
 * Image tiny = Images.forUser(Progress.onStandardError()).get("tiny");
 * tiny.kernel();   // stock Debian cloud kernel, as packaged
 * tiny.initrd();   // busybox in an initramfs of ours
 * }</pre>
 *
 * <p>{@link serai.image.Images} is the face: it names the images and sees to it that one is built once, by one process,
 * whole or not at all. {@code tiny} is the stock cloud kernel, busybox-static and the kernel's virtio modules. {@code debian}
 * is a minimal Debian on a disk; {@link serai.image.Machines} gives each user a copy of it to write to:
 *
 * <pre>{@code
 * Image mine = Machines.forUser(Progress.onStandardError()).get("debian", false);
 * mine.disk();     // keeps what the guest writes
 * }</pre>
 *
 * <p>The packages come by apt from the sources that the host itself is configured for, as root or not; apt checks their
 * signatures. Nothing of them stands in our repository.
 */
@NullMarked
package serai.image;

import org.jspecify.annotations.NullMarked;
