package serai.cli;

import java.io.IOException;
import java.nio.file.Path;
import serai.storage.image.AsideFile;
import serai.storage.image.NewImage;

/** A new image until it is whole: whatever fails, and whichever signal ends the process, takes with it what has a name already. */
final class ImageEnd implements AutoCloseable {
    private final AsideFile file;
    private final NewImage image;
    private final Path path;
    private final Thread hook = new Thread(this::abandon);
    private boolean published;

    ImageEnd(AsideFile file, NewImage image, Path path) {
        this.file = file;
        this.image = image;
        this.path = path;
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /** As {@link AsideFile#publish(boolean)}; not while a signal is taking the image away. */
    synchronized void publish(boolean durable) throws IOException {
        file.publish(durable);
        published = true;
    }

    /** The external data file belongs to the image, and has its name already. */
    private synchronized void abandon() {
        if (!published) {
            try {
                file.abandon();
                ImageNew.deleteDataFile(image, path);
            } catch (IOException e) {
                System.err.println("serai: what is left of " + path + " can't be deleted: " + e.getMessage());
            }
        }
    }

    @Override
    public void close() {
        abandon();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // the process is being ended, and the hook runs
            Thread.yield();
        }
    }
}
