package serai.storage.image;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.HostImageFile;
import serai.storage.ImageFile;
import serai.storage.ImageFormat;
import serai.storage.NativeBuffer;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.luks.LuksDisk;
import serai.storage.luks.LuksOptions;
import serai.storage.qcow2.Qcow2Disk;
import serai.storage.qcow2.Qcow2Options;

/** How a new image is to be. The formats that can be made are raw, qcow2 and luks. */
public final class NewImage {
    private static final long MIB = 1 << 20;

    /** What is allocated at once (qemu-img's {@code preallocation}). */
    private enum Preallocation {
        OFF,
        METADATA,
        FALLOC,
        FULL
    }

    /** Gives passphrases. */
    @FunctionalInterface
    public interface Secrets {
        /** There are none. */
        Secrets NONE = id -> {
            throw new DiskException("there is no secret '" + id + "'");
        };

        /**
         * That of an ID.
         *
         * @throws DiskException if there is none
         */
        byte[] of(String id) throws DiskException;
    }

    private final ImageFormat format;
    private final Qcow2Options qcow2;
    /** For format luks alone: its class asks the JDK and Bouncy Castle for their hashes, which takes a tenth of a second. */
    private final @Nullable LuksOptions luks;

    private final Preallocation preallocation;
    private final @Nullable String keySecret;

    private NewImage(
            ImageFormat format,
            Qcow2Options qcow2,
            @Nullable LuksOptions luks,
            Preallocation preallocation,
            @Nullable String keySecret) {
        this.format = format;
        this.qcow2 = qcow2;
        this.luks = luks;
        this.preallocation = preallocation;
        this.keySecret = keySecret;
    }

    /**
     * As qemu-img makes them unless asked otherwise.
     *
     * @param size bytes of the disk, a multiple of 512
     * @throws DiskException if images of that format can only be read
     */
    public static NewImage of(ImageFormat format, long size) throws DiskException {
        return switch (format) {
            case RAW, QCOW2, LUKS ->
                new NewImage(
                        format,
                        Qcow2Options.ofSize(size),
                        format == ImageFormat.LUKS ? LuksOptions.luks1() : null,
                        Preallocation.OFF,
                        null);
            case VMDK, VPC, VHDX ->
                throw new DiskException(
                        "images of format " + format.word() + " are only read; raw, qcow2 and luks are made");
        };
    }

    /** Its format. */
    public ImageFormat format() {
        return format;
    }

    /** Bytes of the disk. */
    public long size() {
        return qcow2.size();
    }

    /** The name of its backing file. */
    public Optional<String> backing() {
        return Optional.ofNullable(qcow2.backingFile());
    }

    /** The backing file's format. */
    public Optional<ImageFormat> backingFormat() {
        return Optional.ofNullable(qcow2.backingFormat());
    }

    /** The ID of the passphrase that encrypts it. */
    public Optional<String> keySecret() {
        return Optional.ofNullable(keySecret);
    }

    /** Where its external data file will be. */
    public Optional<Path> dataFile(Path image) throws DiskException {
        String name = qcow2.dataFile();
        return name == null ? Optional.empty() : Optional.of(References.resolve(image, name, "data file"));
    }

    /** The same of another size. */
    public NewImage withSize(long bytes) {
        return new NewImage(format, qcow2.withSize(bytes), luks, preallocation, keySecret);
    }

    /**
     * The same upon a backing file.
     *
     * @throws DiskException if images of this format have none
     */
    public NewImage withBacking(String file, ImageFormat fileFormat) throws DiskException {
        if (format != ImageFormat.QCOW2) {
            throw new DiskException("an image of format " + format.word() + " can't have a backing file; qcow2 can");
        }
        return new NewImage(format, qcow2.withBacking(file, fileFormat), luks, preallocation, keySecret);
    }

    /**
     * The same with an option by its name for {@code -o}.
     *
     * @throws DiskException if there is no such option of the format, or no such value
     */
    public NewImage with(String key, String value) throws DiskException {
        if (key.equals("size")) {
            return withSize(ByteSize.disk(key, value));
        }
        if (key.equals("preallocation")) {
            return withPreallocation(value);
        }
        return switch (format) {
            case QCOW2 ->
                key.equals("encrypt.key-secret")
                        ? new NewImage(format, qcow2, luks, preallocation, value)
                        : new NewImage(format, qcow2.with(key, value), luks, preallocation, keySecret);
            case LUKS ->
                key.equals("key-secret")
                        ? new NewImage(format, qcow2, luks, preallocation, value)
                        : new NewImage(format, qcow2, withLuks(key, value), preallocation, keySecret);
            case RAW, VMDK, VPC, VHDX ->
                throw new DiskException(
                        format.word() + " has no option '" + key + "'; there are preallocation and size");
        };
    }

    /** Beside the options of qemu-img, which knows LUKS1 alone, there is {@code version}; it comes before all others. */
    private LuksOptions withLuks(String key, String value) throws DiskException {
        if (luks != null && !key.equals("version")) {
            return luks.with(key, value);
        }
        return switch (value) {
            case "1" -> LuksOptions.luks1();
            case "2" -> LuksOptions.luks2();
            default -> throw new DiskException("option version of luks can't be '" + value + "'; there are 1 and 2");
        };
    }

    private NewImage withPreallocation(String value) throws DiskException {
        Preallocation p =
                switch (value) {
                    case "off" -> Preallocation.OFF;
                    case "metadata" -> Preallocation.METADATA;
                    case "falloc" -> Preallocation.FALLOC;
                    case "full" -> Preallocation.FULL;
                    default ->
                        throw new DiskException("option preallocation can't be '" + value
                                + "'; there are off, metadata (qcow2 only), falloc and full");
                };
        if (p == Preallocation.METADATA && format != ImageFormat.QCOW2) {
            throw new DiskException("only qcow2 has preallocation=metadata; there are off, falloc and full");
        }
        if (format == ImageFormat.QCOW2) {
            Qcow2Options q = qcow2.with("preallocation", p == Preallocation.OFF ? "off" : "metadata");
            return new NewImage(format, q, luks, p, keySecret);
        }
        return new NewImage(format, qcow2, luks, p, keySecret);
    }

    private byte[] passphrase(Secrets secrets) throws DiskException {
        if (keySecret == null) {
            throw new DiskException(
                    "an encrypted image needs a passphrase: -o %skey-secret=ID, and --secret id=ID,file=FILE"
                            .formatted(format == ImageFormat.QCOW2 ? "encrypt." : ""));
        }
        return secrets.of(keySecret);
    }

    /**
     * Makes the image.
     *
     * @param file empty, open for writing; is closed
     * @throws DiskException if the options don't go together, or the external data file is there already
     */
    public void create(ImageFile file, Secrets secrets) throws IOException {
        try (ImageFile f = file) {
            if (format == ImageFormat.LUKS) {
                make(f, secrets).close();
            } else {
                lay(f, secrets);
            }
        }
    }

    /**
     * Makes the image and opens it; what it names is opened, too.
     *
     * @param file empty, open for writing; is closed with the disk, or at once if there is none
     * @throws DiskException if the options don't go together, or the external data file is there already
     */
    public BlockDevice make(ImageFile file, Secrets secrets) throws IOException {
        try {
            BlockDevice disk;
            if (luks != null) {
                disk = LuksDisk.create(file, luks, passphrase(secrets), size());
                preallocate(file);
            } else {
                lay(file, secrets);
                disk = Opening.with(References.ANY, path -> passphraseOf(path, file, secrets))
                        .on(file, format);
            }
            return disk;
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    private Optional<byte[]> passphraseOf(Path path, ImageFile file, Secrets secrets) {
        try {
            return path.equals(file.path()) ? Optional.of(passphrase(secrets)) : Optional.empty();
        } catch (DiskException e) {
            return Optional.empty(); // its absence has been an error before
        }
    }

    private void lay(ImageFile file, Secrets secrets) throws IOException {
        if (format == ImageFormat.QCOW2) {
            if (qcow2.encryption() != null) {
                Qcow2Disk.create(file, qcow2, passphrase(secrets));
            } else if (keySecret != null) {
                throw new DiskException("encrypt.key-secret needs encrypt.format=luks");
            } else {
                Qcow2Disk.create(file, qcow2);
            }
            makeDataFile(file);
        } else {
            file.resize(size());
        }
        preallocate(file);
    }

    private void preallocate(ImageFile file) throws IOException {
        if (preallocation == Preallocation.FALLOC || preallocation == Preallocation.FULL) {
            fillHoles(file);
        }
    }

    private void makeDataFile(ImageFile image) throws IOException {
        Optional<Path> path = dataFile(image.path());
        if (path.isPresent()) {
            try (HostImageFile data = HostImageFile.create(path.get())) {
                if (qcow2.rawData()) {
                    data.resize(size());
                }
            }
        }
    }

    /** Allocates what of the file is not allocated. */
    private void fillHoles(ImageFile file) throws IOException {
        long end = file.size();
        for (long at = 0; at < end; ) {
            long hole = file.nextHole(at);
            if (hole >= end) {
                break;
            }
            long data = Math.min(end, file.nextData(hole));
            if (preallocation == Preallocation.FALLOC) {
                file.zero(hole, data - hole);
            } else {
                writeZeros(file, hole, data - hole);
            }
            at = data;
        }
    }

    private static void writeZeros(ImageFile file, long position, long length) throws IOException {
        try (NativeBuffer zeros = new NativeBuffer(MIB)) {
            for (long done = 0; done < length; done += MIB) {
                file.write(position + done, zeros.address(), Math.min(MIB, length - done));
            }
        }
    }
}
