package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static serai.storage.qcow2.ModelTest.OPENING;
import static serai.storage.qcow2.ModelTest.SIZE;
import static serai.storage.qcow2.ModelTest.assertSound;
import static serai.storage.qcow2.ModelTest.create;
import static serai.storage.qcow2.ModelTest.open;
import static serai.storage.qcow2.ModelTest.options;

import java.io.IOException;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import serai.storage.CrashFile;
import serai.storage.NativeBuffer;
import serai.storage.track.DirtyBitmap;

class PersistentBitmapsTest {
    @Test
    void bitmapsAreKeptAndTellWhatWasWritten() throws IOException {
        CrashFile f = new CrashFile();
        create(f, options("cluster_size=4k", SIZE));
        try (NativeBuffer b = new NativeBuffer(64 << 10)) {
            try (Qcow2Disk d = open(f)) {
                d.addBitmap(new DirtyBitmap("on", SIZE, 64 << 10));
                DirtyBitmap off = new DirtyBitmap("off", SIZE, 512);
                off.set(512, 512);
                off.disable();
                d.addBitmap(off);
                d.write(65536 * 3 + 512, b.address(), 512);
            }
            try (Qcow2Disk d = open(f)) {
                assertEquals(
                        List.of(new BitmapInfo("on", 65536, false, true), new BitmapInfo("off", 512, false, false)),
                        d.bitmapInfos());
                DirtyBitmap on = d.bitmaps().get(0);
                assertEquals(65536 * 3, on.nextDirty(0));
                assertEquals(1 << 16, on.count());
                assertEquals(512, d.bitmaps().get(1).nextDirty(0));
                d.zero(65536 * 9, 65536, true);
                d.write(0, b.address(), 512);
                assertEquals(3 << 16, on.count());
                CrashFile left = f.crash(new Random(1));
                try (Qcow2Disk after = open(left)) {
                    assertEquals(true, after.bitmapInfos().getFirst().inconsistent(), "its writer did not end");
                    after.removeBitmap("on");
                    after.removeBitmap("off");
                }
                try (Qcow2Disk after = Qcow2Disk.open(left, OPENING.forCheck())) {
                    assertEquals(List.of(), after.bitmapInfos());
                    assertSound(after);
                }
                d.createSnapshot("s");
                d.applySnapshot("s");
                assertEquals(SIZE, on.count(), "all may be other than it was");
            }
            try (Qcow2Disk d = Qcow2Disk.open(f, OPENING.forCheck())) {
                assertSound(d);
            }
        }
    }
}
