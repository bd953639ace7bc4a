package serai.storage.image;

import java.io.IOException;
import serai.storage.BlockDevice;
import serai.storage.NativeBuffer;

/** What tests do with disks. */
final class TestDisks {
    private TestDisks() {}

    static void fill(BlockDevice disk, long position, int length, int value) throws IOException {
        try (NativeBuffer b = new NativeBuffer(length)) {
            b.segment().fill((byte) value);
            disk.write(position, b.address(), length);
        }
    }
}
