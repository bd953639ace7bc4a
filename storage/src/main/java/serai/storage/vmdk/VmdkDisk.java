package serai.storage.vmdk;

import java.io.IOException;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.ImageFile;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.imported.ImportedImage;
import serai.storage.imported.TableReader;

/** A VMDK, read-only: extents one after the other. */
public final class VmdkDisk extends ImportedImage {
    private final Descriptor descriptor;
    private final List<VmdkExtent> extents;
    /** Where each begins. */
    private final long[] starts;

    private VmdkDisk(
            ImageFile file, Descriptor descriptor, List<VmdkExtent> extents, long size, @Nullable BlockDevice parent) {
        super(file, "VMDK", size, parent);
        this.descriptor = descriptor;
        this.extents = extents;
        starts = new long[extents.size()];
        for (int i = 1; i < starts.length; i++) {
            starts[i] = starts[i - 1] + extents.get(i - 1).bytes();
        }
    }

    /**
     * Opens the image in a file, which is closed with the device; if it is refused, the file stays open. The file has the descriptor; the
     * extents that it names are opened by {@link Opening#file}, and the parent by {@link Opening#image}.
     *
     * @throws DiskException in one sentence if it is refused
     */
    public static VmdkDisk on(ImageFile file, Opening opening) throws IOException {
        if (SparseHeader.kind(file) == SparseHeader.Kind.TEXT) {
            return of(file, Descriptor.of(file), opening);
        }
        SparseHeader header = SparseHeader.of(file);
        if (header.descriptor() == 0) {
            throw new DiskException(
                    file.path() + " is one extent of a VMDK; the file with the descriptor is the one to open");
        }
        Descriptor descriptor = Descriptor.of(file, header);
        if (header.capacity() == 0) {
            return of(file, descriptor, opening);
        }
        // the file may have been renamed since: the extent is this one, whatever its name is there
        if (descriptor.extents().size() > 1) {
            throw SparseHeader.bad(
                    file,
                    "it is an extent itself, and its descriptor has %d"
                            .formatted(descriptor.extents().size()));
        }
        SparseExtent extent = SparseExtent.of(file, header);
        return new VmdkDisk(file, descriptor, List.of(extent), extent.bytes(), parent(file, descriptor, opening));
    }

    private static VmdkDisk of(ImageFile file, Descriptor descriptor, Opening opening) throws IOException {
        if (descriptor.extents().isEmpty()) {
            throw SparseHeader.bad(file, "its descriptor has no extent");
        }
        List<VmdkExtent> extents = new ArrayList<>();
        boolean done = false;
        try {
            TableReader tables = new TableReader(file, ByteOrder.LITTLE_ENDIAN);
            long size = 0;
            for (Descriptor.Line line : descriptor.extents()) {
                VmdkExtent e = extent(file, line, tables, opening);
                extents.add(e);
                size += e.bytes();
                if (size > SparseHeader.MAX_CAPACITY * SparseHeader.BYTES) {
                    throw SparseHeader.bad(file, "its extents claim more than 1 PiB");
                }
            }
            VmdkDisk disk =
                    new VmdkDisk(file, descriptor, List.copyOf(extents), size, parent(file, descriptor, opening));
            done = true;
            return disk;
        } finally {
            if (!done) {
                close(extents);
            }
        }
    }

    private static VmdkExtent extent(ImageFile file, Descriptor.Line line, TableReader tables, Opening opening)
            throws IOException {
        if (line.type() == Descriptor.Type.ZERO) {
            return new ZeroExtent(line.sectors() * SparseHeader.BYTES);
        }
        ImageFile f = opening.file(file, line.name(), "extent");
        boolean done = false;
        try {
            VmdkExtent e =
                    line.type() == Descriptor.Type.SPARSE ? SparseExtent.of(f, line, tables) : FlatExtent.of(f, line);
            done = true;
            return e;
        } finally {
            if (!done) {
                f.close();
            }
        }
    }

    private static @Nullable BlockDevice parent(ImageFile file, Descriptor descriptor, Opening opening)
            throws IOException {
        if (descriptor.parentContentId() == Descriptor.NO_PARENT) {
            return null;
        }
        String name = descriptor
                .parent()
                .orElseThrow(() -> new DiskException(file.path() + " has a parent and does not say where it is"));
        BlockDevice parent = opening.image(file, name, Optional.of(ImageFormat.VMDK), "backing file");
        if (parent instanceof VmdkDisk v && v.descriptor.contentId() == descriptor.parentContentId()) {
            return parent;
        }
        parent.close();
        throw new DiskException("the parent of %s is not as it was when that was made from it: it is to have CID %08x"
                .formatted(file.path(), descriptor.parentContentId()));
    }

    private int at(long position) {
        int low = 0;
        int high = starts.length - 1;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (starts[middle] <= position) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    @Override
    protected Extent look(long position, long length) throws IOException {
        int i = at(position);
        long inside = position - starts[i];
        return extents.get(i).look(inside, Math.min(length, extents.get(i).bytes() - inside));
    }

    @Override
    protected long sameFile(long position) {
        int i = at(position);
        return starts[i] + extents.get(i).bytes() - position;
    }

    @Override
    protected void fetch(Extent found, long position, long hostAddress, long length) throws IOException {
        int i = at(position);
        extents.get(i).fetch(found, position - starts[i], hostAddress, length);
    }

    @Override
    protected Extent refine(Extent found, long position) throws IOException {
        return extents.get(at(position)).refine(found);
    }

    @Override
    public void close() throws IOException {
        try {
            super.close();
        } finally {
            close(extents);
        }
    }

    private static void close(List<VmdkExtent> extents) throws IOException {
        IOException failed = null;
        for (VmdkExtent e : extents) {
            try {
                e.close();
            } catch (IOException x) {
                failed = x;
            }
        }
        if (failed != null) {
            throw failed;
        }
    }
}
