package serai.storage.luks;

import java.io.IOException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;
import serai.storage.Opening;

/**
 * The disk in a raw LUKS volume. What was never written there is noise and not zeros, and no space is ever given back: holes would tell
 * which parts are free, and read as noise.
 *
 * <p>A volume of LUKS2 may have sectors of up to 4096 bytes. A part of one is written by reading the whole first; if the host fails
 * between the parts of such a sector, all of it is lost, as with dm-crypt.
 */
public final class LuksDisk implements BlockDevice {
    /** Bytes that are encrypted before they are written. */
    private static final int CHUNK = 256 << 10;

    private final ImageFile file;
    private final LuksVolume volume;
    private final SectorCipher cipher;
    private final long start;
    private final int unit;
    private volatile long size;

    /** What writes have their cipher text in; as many as there were ever writes at once. */
    private final ConcurrentLinkedQueue<NativeBuffer> buffers = new ConcurrentLinkedQueue<>();

    private volatile boolean closed;
    /** Held alone while a part of a sector is replaced: nobody else may write the rest of it meanwhile. */
    private final ReadWriteLock parts = new ReentrantReadWriteLock();

    private LuksDisk(ImageFile file, LuksVolume volume, long size) {
        this.file = file;
        this.volume = volume;
        this.cipher = volume.cipher();
        this.start = volume.payloadOffset();
        this.unit = volume.sectorSize();
        this.size = size;
    }

    /**
     * Opens the volume in a file, which is closed with it; if it is refused, the file stays open.
     *
     * @param opening gives the passphrase
     * @throws DiskException in one sentence if it is refused
     */
    public static LuksDisk open(ImageFile file, Opening opening) throws IOException {
        byte[] passphrase = opening.passphrase(file.path())
                .orElseThrow(() -> new DiskException("disk " + file.path() + " is encrypted, and needs a passphrase"));
        return on(file, LuksVolume.open(file, passphrase));
    }

    /**
     * Makes a volume in an empty file, which is closed with it.
     *
     * @param size bytes of the disk, a multiple of 512
     * @throws DiskException if the file is not empty
     */
    public static LuksDisk create(ImageFile file, LuksOptions options, byte[] passphrase, long size)
            throws IOException {
        if (file.size() != 0) {
            throw new DiskException("disk " + file.path() + " is not empty, so no LUKS volume is made there");
        }
        LuksVolume volume = LuksVolume.create(file, options, passphrase);
        try {
            file.resize(volume.payloadOffset() + size);
            return on(file, volume);
        } catch (IOException e) {
            volume.close();
            throw e;
        }
    }

    private static LuksDisk on(ImageFile file, LuksVolume volume) throws IOException {
        long there = file.size() - volume.payloadOffset();
        long size = volume.payloadLength().orElse(there) & -(long) volume.sectorSize();
        if (there < size || size <= 0) {
            volume.close();
            throw new DiskException("disk %s has its encrypted part at byte %d+%d, which is not in the file of %d bytes"
                    .formatted(file.path(), volume.payloadOffset(), Math.max(0, size), file.size()));
        }
        return new LuksDisk(file, volume, size);
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public boolean readOnly() {
        return !file.writable();
    }

    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        if (whole(position, length)) {
            readWhole(position, hostAddress, length);
            return;
        }
        for (long done = 0; done < length; ) {
            long at = position + done;
            long n = part(at, length - done);
            if (n >= unit) {
                readWhole(at, hostAddress + done, n);
            } else {
                NativeBuffer b = take();
                try {
                    readWhole(at & -unit, b.address(), unit);
                    copy(b.address() + (at & unit - 1), hostAddress + done, n);
                } finally {
                    give(b);
                }
            }
            done += n;
        }
    }

    private void readWhole(long position, long hostAddress, long length) throws IOException {
        file.read(start + position, hostAddress, length);
        cipher.decrypt(position / SECTOR, hostAddress, hostAddress, length);
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        if (unit == SECTOR) {
            writeWhole(position, hostAddress, length);
            return;
        }
        Lock lock = whole(position, length) ? parts.readLock() : parts.writeLock();
        lock.lock();
        try {
            for (long done = 0; done < length; ) {
                long n = part(position + done, length - done);
                if (n >= unit) {
                    writeWhole(position + done, hostAddress + done, n);
                } else {
                    writePart(position + done, hostAddress + done, n);
                }
                done += n;
            }
        } finally {
            lock.unlock();
        }
    }

    private void writePart(long position, long hostAddress, long length) throws IOException {
        NativeBuffer b = take();
        try {
            readWhole(position & -unit, b.address(), unit);
            copy(hostAddress, b.address() + (position & unit - 1), length);
            cipher.encrypt((position & -unit) / SECTOR, b.address(), b.address(), unit);
            file.write(start + (position & -unit), b.address(), unit);
        } finally {
            give(b);
        }
    }

    private void writeWhole(long position, long hostAddress, long length) throws IOException {
        NativeBuffer b = take();
        try {
            for (long done = 0; done < length; done += CHUNK) {
                long n = Math.min(CHUNK, length - done);
                cipher.encrypt((position + done) / SECTOR, hostAddress + done, b.address(), n);
                file.write(start + position + done, b.address(), n);
            }
        } finally {
            give(b);
        }
    }

    private boolean whole(long position, long length) {
        return ((position | length) & unit - 1) == 0;
    }

    /** Bytes from there that are either whole units, or inside one. */
    private long part(long position, long length) {
        long inUnit = position & unit - 1;
        return inUnit == 0 && length >= unit ? length & -unit : Math.min(length, unit - inUnit);
    }

    private static void copy(long from, long to, long length) {
        NativeBuffer.at(to, length).copyFrom(NativeBuffer.at(from, length));
    }

    private NativeBuffer take() {
        NativeBuffer b = buffers.poll();
        return b != null ? b : new NativeBuffer(CHUNK);
    }

    private void give(NativeBuffer b) {
        buffers.add(b);
        if (closed) {
            free();
        }
    }

    private void free() {
        for (NativeBuffer b = buffers.poll(); b != null; b = buffers.poll()) {
            b.segment().fill((byte) 0);
            b.close();
        }
    }

    @Override
    public void flush() throws IOException {
        file.flush();
    }

    /** Frees nothing. */
    @Override
    public void discard(long position, long length) throws IOException {
        BlockDevice.check(this, position, length);
    }

    @Override
    public void zero(long position, long length, boolean mayFree) throws IOException {
        BlockDevice.check(this, position, length);
        try (NativeBuffer zeros = new NativeBuffer(CHUNK)) {
            for (long done = 0; done < length; ) {
                long n = Math.min(CHUNK - (position + done & unit - 1), length - done);
                write(position + done, zeros.address(), n);
                done += n;
            }
        }
    }

    @Override
    public Extent status(long position, long length) {
        return Extent.data(length, Extent.NOWHERE);
    }

    @Override
    public void resize(long bytes) throws IOException {
        if (volume.payloadLength().isPresent()) {
            throw new DiskException("disk " + file.path() + " has its size in its LUKS header, and can't be resized");
        }
        if (bytes <= 0 || (bytes & unit - 1) != 0) {
            throw new DiskException(
                    "disk %s can't have %d bytes, as its sectors have %d".formatted(file.path(), bytes, unit));
        }
        long before = size;
        file.resize(start + bytes);
        try (NativeBuffer zeros = new NativeBuffer(CHUNK)) { // holes would be read as noise
            for (long at = before; at < bytes; at += CHUNK) {
                writeWhole(at, zeros.address(), Math.min(CHUNK, bytes - at));
            }
        }
        size = bytes;
    }

    @Override
    public void close() throws IOException {
        closed = true;
        free();
        volume.close();
        file.close();
    }
}
