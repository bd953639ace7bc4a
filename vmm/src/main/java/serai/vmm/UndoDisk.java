package serai.vmm;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import serai.machine.disk.Disk;

/** A disk whose blocks can be taken back: before one is written, a {@link History} gets what it held. */
final class UndoDisk implements Disk {
    private final Disk disk;
    private final int place;
    private final History.Recorder recorder;
    private final MemorySegment block = Arena.ofAuto().allocate(UndoLog.SIZE, 4096);

    /**
     * Over another disk.
     *
     * @param place what its keys are known by, from 1
     */
    UndoDisk(Disk disk, int place, History.Recorder recorder) {
        this.disk = disk;
        this.place = place;
        this.recorder = recorder;
    }

    private void keep(long offset, long length) throws IOException {
        for (long at = offset & -UndoLog.SIZE; at < offset + length; at += UndoLog.SIZE) {
            UndoLog.Key key = new UndoLog.Key(place, at);
            if (recorder.wants(key)) {
                // the last block of a disk may be a part of one
                int n = (int) Math.min(UndoLog.SIZE, sectors() * 512 - at);
                byte[] b = new byte[UndoLog.SIZE];
                disk.read(at, block.address(), n);
                MemorySegment.copy(block, ValueLayout.JAVA_BYTE, 0, b, 0, n);
                recorder.keep(key, b);
            }
        }
    }

    /** Writes back what a block held. */
    void undo(long offset, byte[] content) throws IOException {
        int n = (int) Math.min(UndoLog.SIZE, sectors() * 512 - offset);
        MemorySegment.copy(content, 0, block, ValueLayout.JAVA_BYTE, 0, n);
        disk.write(offset, block.address(), n);
    }

    @Override
    public long sectors() {
        return disk.sectors();
    }

    @Override
    public boolean readOnly() {
        return disk.readOnly();
    }

    @Override
    public String id() {
        return disk.id();
    }

    @Override
    public void read(long offset, long host, int length) throws IOException {
        disk.read(offset, host, length);
    }

    @Override
    public void write(long offset, long host, int length) throws IOException {
        keep(offset, length);
        disk.write(offset, host, length);
    }

    @Override
    public void flush() throws IOException {
        disk.flush();
    }

    /** Leaves the content as it is, as a disk may: it is the same each time then, and there is nothing to take back. */
    @Override
    public void discard(long offset, long length) {}

    @Override
    public void zero(long offset, long length, boolean mayFree) throws IOException {
        keep(offset, length);
        disk.zero(offset, length, mayFree);
    }
}
