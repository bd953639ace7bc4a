package serai.storage.imported;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;

/** An image of a format that is read and never written. */
public abstract class ImportedImage implements BlockDevice {
    /** Stretches that one look at the status joins at most: a table of a million holes takes several calls. */
    private static final int JOINED = 4096;

    private final ImageFile file;
    private final String format;
    private final long size;
    private final @Nullable BlockDevice parent;

    /**
     * An image in a file. From here on both are closed with it.
     *
     * @param format its name, for messages
     * @param size bytes of the disk, a multiple of 512
     * @param parent what is read where this image says nothing; zeros if there is none, and past the parent's end
     */
    protected ImportedImage(ImageFile file, String format, long size, @Nullable BlockDevice parent) {
        this.file = file;
        this.format = format;
        this.size = size;
        this.parent = parent;
    }

    /**
     * What this image alone has at a position: {@link Extent#data}, {@link Extent#zeros}, or {@link Extent#nowhere} if its parent has it.
     *
     * @param length at least 1; the answer's is at least 1 and at most that
     */
    protected abstract Extent look(long position, long length) throws IOException;

    /**
     * How far from a position on all data is in one file: what is in another doesn't continue it, whatever its offset.
     *
     * @return bytes, at least 1
     */
    protected long sameFile(long position) {
        return size - position;
    }

    /**
     * What is known beside of data that {@link #look} has found, for the status alone: by default nothing.
     *
     * @see #holes
     */
    protected Extent refine(Extent found, long position) throws IOException {
        return found;
    }

    /** Data that is zeros where a file has a hole. */
    public static Extent holes(ImageFile file, Extent found) throws IOException {
        if (found.offset() >= file.size()) {
            return Extent.zeros(found.length());
        }
        long data = file.nextData(found.offset());
        if (data > found.offset()) {
            return Extent.zeros(Math.min(found.length(), data - found.offset()));
        }
        return found.withLength(Math.min(found.length(), file.nextHole(data) - data));
    }

    /** Reads what {@link #look} has found to be data. */
    protected void fetch(Extent found, long position, long hostAddress, long length) throws IOException {
        file.read(found.offset(), hostAddress, length);
    }

    /** The file it lies in. */
    protected final ImageFile file() {
        return file;
    }

    @Override
    public final long size() {
        return size;
    }

    /** Always. */
    @Override
    public final boolean readOnly() {
        return true;
    }

    @Override
    public final void read(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        for (long done = 0; done < length; ) {
            Extent found = look(position + done, length - done);
            if (found.depth() == Extent.NOWHERE) {
                readParent(position + done, hostAddress + done, found.length());
            } else if (found.zero()) {
                zeros(hostAddress + done, found.length());
            } else {
                found = continued(found, position + done, length - done);
                fetch(found, position + done, hostAddress + done, found.length());
            }
            done += found.length();
        }
    }

    /** With what follows it in the file, too: one read instead of many. */
    private Extent continued(Extent first, long position, long length) throws IOException {
        Extent all = first;
        if (first.offset() != Extent.NOWHERE) {
            long most = Math.min(length, sameFile(position));
            while (all.length() < most) {
                Extent next = look(position + all.length(), most - all.length());
                if (!all.continuedBy(next)) {
                    break;
                }
                all = all.withLength(all.length() + next.length());
            }
        }
        return all;
    }

    private void readParent(long position, long hostAddress, long length) throws IOException {
        long there = parent == null ? 0 : Math.clamp(parent.size() - position, 0, length);
        if (parent != null && there > 0) {
            parent.read(position, hostAddress, there);
        }
        zeros(hostAddress + there, length - there);
    }

    private static void zeros(long hostAddress, long length) {
        if (length > 0) {
            NativeBuffer.at(hostAddress, length).fill((byte) 0);
        }
    }

    @Override
    public final Extent status(long position, long length) throws IOException {
        if (position < 0 || length < 1 || position >= size) {
            throw new IOException("bytes %d+%d are not in this disk".formatted(position, length));
        }
        // formats look at whole sectors
        long before = position % SECTOR;
        long asked = Math.min(length, size - position);
        Extent e = sectors(position - before, (before + asked + SECTOR - 1) & -SECTOR);
        long offset = e.offset() == Extent.NOWHERE ? Extent.NOWHERE : e.offset() + before;
        return new Extent(Math.min(asked, e.length() - before), e.zero(), e.data(), e.compressed(), e.depth(), offset);
    }

    private Extent sectors(long position, long asked) throws IOException {
        long most = Math.min(asked, sameFile(position));
        Extent whole = through(position, most);
        for (int i = 1; i < JOINED && whole.length() < most; i++) {
            Extent next = through(position + whole.length(), most - whole.length());
            if (!whole.continuedBy(next)) {
                break;
            }
            whole = whole.withLength(whole.length() + next.length());
        }
        return whole;
    }

    private Extent through(long position, long length) throws IOException {
        Extent here = look(position, length);
        if (here.depth() != Extent.NOWHERE) {
            return here.zero() ? here : refine(here, position);
        }
        if (parent == null || position >= parent.size()) {
            return here;
        }
        return parent.status(position, Math.min(here.length(), parent.size() - position))
                .below();
    }

    private DiskException refused() {
        return new DiskException("%s is a %s image, which is only read: 'serai image convert' makes another of it"
                .formatted(file.path(), format));
    }

    @Override
    public final void write(long position, long hostAddress, long length) throws IOException {
        throw refused();
    }

    @Override
    public final void discard(long position, long length) throws IOException {
        throw refused();
    }

    @Override
    public final void zero(long position, long length, boolean mayFree) throws IOException {
        throw refused();
    }

    /** Nothing has been written. */
    @Override
    public final void flush() {}

    @Override
    public final void resize(long bytes) throws IOException {
        throw refused();
    }

    @Override
    public void close() throws IOException {
        try (file) {
            if (parent != null) {
                parent.close();
            }
        }
    }
}
