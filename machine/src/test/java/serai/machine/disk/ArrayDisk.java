package serai.machine.disk;

import java.io.IOException;
import java.util.Arrays;
import serai.machine.memory.GuestMemory;

/** A disk in an array. */
public final class ArrayDisk implements Disk {
    /** Its content. */
    public final byte[] bytes;

    /** Whether every request fails. */
    public boolean failing;

    /** How many flushes have succeeded. */
    public int flushes;

    private final String id;

    /** A disk of zeros. */
    public ArrayDisk(String id, int sectors) {
        this.id = id;
        bytes = new byte[sectors * 512];
    }

    @Override
    public long sectors() {
        return bytes.length / 512;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public String id() {
        return id;
    }

    @Override
    public void read(long offset, long host, int length) throws IOException {
        fail();
        for (int i = 0; i < length; i++) {
            GuestMemory.putByte(host + i, bytes[(int) offset + i]);
        }
    }

    @Override
    public void write(long offset, long host, int length) throws IOException {
        fail();
        for (int i = 0; i < length; i++) {
            bytes[(int) offset + i] = GuestMemory.getByte(host + i);
        }
    }

    @Override
    public void flush() throws IOException {
        fail();
        flushes++;
    }

    @Override
    public void discard(long offset, long length) throws IOException {
        zero(offset, length, true);
    }

    @Override
    public void zero(long offset, long length, boolean mayFree) throws IOException {
        fail();
        Arrays.fill(bytes, (int) offset, (int) (offset + length), (byte) 0);
    }

    private void fail() throws IOException {
        if (failing) {
            throw new IOException("the disk fails");
        }
    }
}
