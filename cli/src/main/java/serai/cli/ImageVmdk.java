package serai.cli;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import serai.storage.BlockDevice;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;
import serai.storage.image.AsideFile;
import serai.storage.vmdk.StreamOptimizedWriter;

/** Export as a stream-optimised VMDK. */
final class ImageVmdk {
    private static final int BUFFER = 1 << 20;

    private ImageVmdk() {}

    static void write(BlockDevice disk, Path path, ImageProgress shown, boolean durable) throws IOException {
        try (AsideFile file = AsideFile.create(path, AsideFile.IfThere.REPLACE);
                ImageProgress progress = shown) {
            try (ImageFile image = file.file();
                    NativeBuffer buffer = new NativeBuffer(BUFFER);
                    OutputStream out = new BufferedOutputStream(new Stream(image, buffer), BUFFER)) {
                StreamOptimizedWriter.write(
                        disk, out, String.valueOf(path.getFileName()), position -> progress.at(position, disk.size()));
            }
            file.publish(durable);
        }
    }

    /** To a file, from its beginning. */
    private static final class Stream extends OutputStream {
        private final ImageFile file;
        private final NativeBuffer buffer;
        private long position;

        Stream(ImageFile file, NativeBuffer buffer) {
            this.file = file;
            this.buffer = buffer;
        }

        @Override
        public void write(int b) throws IOException {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int length) throws IOException {
            for (int done = 0; done < length; done += BUFFER) {
                int n = Math.min(BUFFER, length - done);
                MemorySegment.copy(bytes, from + done, buffer.segment(), ValueLayout.JAVA_BYTE, 0, n);
                file.write(position, buffer.address(), n);
                position += n;
            }
        }
    }
}
