/**
 * What {@code serai image} does with whole images: the commands of {@code qemu-img}, on any {@link serai.storage.BlockDevice}.
 *
 * <p>{@link serai.storage.image.NewImage} says how an image is to be and makes it, {@link serai.storage.image.AsideFile} lets it appear under its
 * name only when it is whole, {@link serai.storage.image.Copy} fills it:
 *
 * <pre>{@code
 * try (BlockDevice from = Opening.trusted().open(Path.of("disk.qcow2"), ImageFormat.QCOW2, true);
 *         AsideFile file = AsideFile.create(Path.of("disk.raw"), AsideFile.IfThere.REFUSE)) {
 *     NewImage image = NewImage.of(ImageFormat.RAW, from.size());
 *     image.create(file.file());
 *     try (BlockDevice to = image.open(file.file())) {
 *         Copy.run(from, to, Copy.Options.DEFAULT, Progress.NONE);
 *         to.flush();
 *     }
 *     file.publish();
 * }
 * }</pre>
 *
 * <p>{@link serai.storage.image.Compare}, {@link serai.storage.image.DiskMap}, {@link serai.storage.image.Rebase}, {@link
 * serai.storage.image.Commit} and {@link serai.storage.image.Bench} are one command each. All of them cut the disk into pieces that several threads
 * take in turn ({@code Pieces}), so that reading, comparing, compressing and writing go on at once.
 */
@NullMarked
package serai.storage.image;

import org.jspecify.annotations.NullMarked;
