package serai.image;

import java.io.IOException;
import java.nio.file.Path;

/** How an image is made and what of it is what. */
interface Recipe {
    /** Its directory in the cache. */
    String directory();

    /** Goes up when what is built changes, so that an older cached image is not taken. */
    int revision();

    /**
     * Builds it.
     *
     * @param dir empty; gets the image's files, each on the disk when this returns
     * @param work empty, for everything else; deleted afterwards
     */
    void build(Path dir, Path work, Progress progress) throws ImageException, IOException, InterruptedException;

    /** The image whose files are in {@code dir}. */
    Image image(Path dir);
}
