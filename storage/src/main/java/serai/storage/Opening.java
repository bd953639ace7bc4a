package serai.storage;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import serai.storage.luks.LuksDisk;
import serai.storage.qcow2.Qcow2Disk;
import serai.storage.vhdx.VhdxDisk;
import serai.storage.vmdk.VmdkDisk;
import serai.storage.vpc.VpcDisk;

/**
 * How an image and what it names are opened: what a format gets, to open its backing file or extents by.
 *
 * <p>A chain of images is bounded, and an image that leads back to itself is refused.
 */
public final class Opening {
    /** Images of a chain at most. */
    public static final int MAX_CHAIN = 200;

    /** Gives the passphrase of an encrypted image. */
    @FunctionalInterface
    public interface Passphrases {
        /** There are none. */
        Passphrases NONE = image -> Optional.empty();

        /** That of an image; empty if there is none. */
        Optional<byte[]> of(Path image);
    }

    /** Hears of each image of a chain that has been opened, the lowest first. */
    @FunctionalInterface
    public interface Listener {
        /** Nobody listens. */
        Listener NONE = (depth, path, format, device) -> {};

        /**
         * One has been opened.
         *
         * @param depth 0 for the topmost
         */
        void opened(int depth, Path path, ImageFormat format, BlockDevice device);
    }

    /**
     * What holds for all images of a chain.
     *
     * @param locked whether files are locked
     * @param writable backing files that are opened for writing, as real paths
     */
    private record Terms(
            References references, Passphrases passphrases, boolean locked, Set<Path> writable, Listener listener) {}

    private final Terms terms;
    private final List<Path> chain;
    private final boolean check;

    private Opening(Terms terms, List<Path> chain, boolean check) {
        this.terms = terms;
        this.chain = chain;
        this.check = check;
    }

    /** With what may be named and what opens encrypted ones. */
    public static Opening with(References references, Passphrases passphrases) {
        return new Opening(new Terms(references, passphrases, true, Set.of(), Listener.NONE), List.of(), false);
    }

    /** Images may name any file, and none is encrypted. */
    public static Opening trusted() {
        return with(References.ANY, Passphrases.NONE);
    }

    /** The same for checking an image: it is opened although it is marked as damaged, and repairs nothing by itself. */
    public Opening forCheck() {
        return new Opening(terms, chain, true);
    }

    /** The same without locks: what is read while another writes there may be of different times. */
    public Opening unlocked() {
        return new Opening(
                new Terms(terms.references, terms.passphrases, false, terms.writable, terms.listener), chain, check);
    }

    /** The same with this backing file, too, opened for writing. */
    public Opening writable(Path backing) {
        Set<Path> all = new HashSet<>(terms.writable);
        all.add(References.real(backing));
        return new Opening(
                new Terms(terms.references, terms.passphrases, terms.locked, Set.copyOf(all), terms.listener),
                chain,
                check);
    }

    /** The same, telling what has been opened. */
    public Opening telling(Listener listener) {
        return new Opening(
                new Terms(terms.references, terms.passphrases, terms.locked, terms.writable, listener), chain, check);
    }

    /** Whether damage is to be looked at and not refused or repaired. */
    public boolean check() {
        return check;
    }

    /** The passphrase of an image, if there is one. */
    public Optional<byte[]> passphrase(Path image) {
        return terms.passphrases.of(image);
    }

    /**
     * Opens a disk image.
     *
     * @throws DiskException in one sentence if it is refused
     */
    public BlockDevice open(Path path, ImageFormat format, boolean readOnly) throws IOException {
        Path real = References.real(path);
        if (chain.contains(real)) {
            throw new DiskException("the backing chain of " + chain.getFirst() + " leads back to " + path);
        }
        if (chain.size() == MAX_CHAIN) {
            throw new DiskException(
                    "the backing chain of " + chain.getFirst() + " has more than " + MAX_CHAIN + " images");
        }
        List<Path> longer = new ArrayList<>(chain);
        longer.add(real);
        Opening next = new Opening(terms, List.copyOf(longer), check && chain.isEmpty());
        HostImageFile file = openFile(path, readOnly);
        boolean done = false;
        try {
            BlockDevice device = next.on(file, format);
            done = true;
            terms.listener.opened(chain.size(), path, format, device);
            return device;
        } finally {
            if (!done) {
                file.close();
            }
        }
    }

    /**
     * Opens the image in a file, which is closed with the device; if it is refused, the file stays open.
     *
     * @throws DiskException in one sentence if it is refused
     */
    public BlockDevice on(ImageFile file, ImageFormat format) throws IOException {
        return switch (format) {
            case RAW -> RawDisk.on(file);
            case LUKS -> LuksDisk.open(file, this);
            case QCOW2 -> Qcow2Disk.open(file, this);
            case VMDK -> VmdkDisk.on(file, this);
            case VPC -> VpcDisk.on(file, this);
            case VHDX -> VhdxDisk.on(file, this);
        };
    }

    /**
     * Opens a file that an image names, for its bytes.
     *
     * @param what "data file", "extent"
     */
    public ImageFile file(ImageFile image, String name, String what) throws IOException {
        Path path = References.resolve(image.path(), name, what);
        terms.references.check(image.path(), path, what);
        return openFile(path, !image.writable());
    }

    private HostImageFile openFile(Path path, boolean readOnly) throws DiskException {
        return terms.locked ? HostImageFile.open(path, readOnly) : HostImageFile.openUnlocked(path, readOnly);
    }

    /**
     * Opens an image that an image names, for reading.
     *
     * @param format as the image has recorded it; empty if it has not: then the name's suffix says it, and a file that has none has to look
     *     like a raw one
     * @param what "backing file"
     */
    public BlockDevice image(ImageFile image, String name, Optional<ImageFormat> format, String what)
            throws IOException {
        Path path = References.resolve(image.path(), name, what);
        terms.references.check(image.path(), path, what);
        Optional<ImageFormat> known = format.or(() -> ImageFormat.ofName(path));
        if (known.isEmpty()) {
            try (HostImageFile f = openFile(path, true)) {
                ImageFormat looks = ImageFormat.probe(f);
                if (looks != ImageFormat.RAW) {
                    throw new DiskException(
                            "%s does not say which format its %s %s has, which looks like %s; 'serai image rebase -u -F' says it"
                                    .formatted(image.path(), what, path, looks.word()));
                }
            }
        }
        return open(path, known.orElse(ImageFormat.RAW), !terms.writable.contains(References.real(path)));
    }
}
