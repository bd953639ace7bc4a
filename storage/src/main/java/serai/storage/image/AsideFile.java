package serai.storage.image;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import org.jspecify.annotations.Nullable;
import serai.linux.Errno;
import serai.linux.HostFile;
import serai.linux.LinuxException;
import serai.storage.DiskException;
import serai.storage.HostImageFile;
import serai.storage.ImageFile;

/**
 * A file that appears under its name when it is whole. Until {@link #publish} what is there under that name stays, and afterwards it has
 * been replaced, in one step.
 *
 * <p>Meanwhile it has no name at all (O_TMPFILE), so that nothing of it remains however the process ends. Where the file system has no such
 * files, it is called {@code .NAME.PID.part}, in the same directory, and deleted by {@link #close}.
 */
public final class AsideFile implements AutoCloseable {
    /** What is done about a file that has the name already. */
    public enum IfThere {
        /** It is an error. */
        REFUSE,
        /** It is replaced, unless somebody uses it. */
        REPLACE
    }

    private final Path target;
    private final IfThere ifThere;
    private final HostFile file;
    private final HostImageFile image;
    /** The file that is replaced, locked until it has been. */
    private final @Nullable HostImageFile old;
    /** What it is called until it is published; null if it has no name. */
    private volatile @Nullable Path part;

    private AsideFile(
            Path target,
            IfThere ifThere,
            HostFile file,
            HostImageFile image,
            @Nullable HostImageFile old,
            @Nullable Path part) {
        this.target = target;
        this.ifThere = ifThere;
        this.file = file;
        this.image = image;
        this.old = old;
        this.part = part;
    }

    /**
     * Makes one, empty; a symbolic link is followed, so that what it leads to is replaced.
     *
     * @throws DiskException if there is a file and it is not to be replaced, or is in use, or there can't be one
     */
    public static AsideFile create(Path path, IfThere ifThere) throws IOException {
        Path target = Files.isSymbolicLink(path) ? followed(path) : path.toAbsolutePath();
        HostImageFile old = null;
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            if (ifThere == IfThere.REFUSE) {
                throw exists(path);
            }
            if (!Files.isRegularFile(target, LinkOption.NOFOLLOW_LINKS)) {
                throw new DiskException(path + " is there and is no file that could be replaced");
            }
            if (!Files.isWritable(target)) {
                throw new DiskException(path + " is there and must not be written");
            }
            old = HostImageFile.open(target, false);
        }
        HostFile file = null;
        boolean done = false;
        try {
            Path part = null;
            try {
                file = HostFile.unnamed(parent(target), target);
            } catch (LinuxException e) {
                if (e.errno() != Errno.EOPNOTSUPP) {
                    throw new DiskException("%s can't be made (%s)".formatted(path, e.errnoName()), e);
                }
                part = partOf(target);
                file = HostFile.open(part, HostFile.Access.CREATE_NEW);
            }
            AsideFile aside = new AsideFile(target, ifThere, file, HostImageFile.on(file.again()), old, part);
            done = true;
            return aside;
        } finally {
            if (!done) {
                if (file != null) {
                    file.close();
                }
                if (old != null) {
                    old.close();
                }
            }
        }
    }

    private static Path followed(Path link) throws IOException {
        try {
            return link.toRealPath();
        } catch (NoSuchFileException e) {
            throw new DiskException(link + " is a symbolic link to nothing", e);
        }
    }

    private static Path parent(Path absolute) throws DiskException {
        Path p = absolute.getParent();
        if (p == null) {
            throw new DiskException(absolute + " is a directory");
        }
        return p;
    }

    private static Path partOf(Path target) {
        return target.resolveSibling(".%s.%d.part"
                .formatted(target.getFileName(), ProcessHandle.current().pid()));
    }

    private static DiskException exists(Path path) {
        return new DiskException(path + " exists already");
    }

    /** The file, for who closes it; each call gives it anew. */
    public ImageFile file() throws IOException {
        return image.again();
    }

    /** Makes it durable and gives it its name, as {@link #publish(boolean)}. */
    public void publish() throws IOException {
        publish(true);
    }

    /**
     * Gives it its name. One that replaces another gets that one's permissions, and its owner if we may.
     *
     * @param durable whether it is made durable before, and its name after it; else a crash of the host may leave an empty file of that name
     * @throws DiskException if one that is not to be replaced has come into being meanwhile
     */
    public void publish(boolean durable) throws IOException {
        if (durable) {
            file.sync();
        }
        Path from = part;
        if (ifThere == IfThere.REFUSE) {
            try {
                if (from == null) {
                    file.link(target);
                } else {
                    Files.createLink(target, from);
                }
            } catch (LinuxException e) {
                throw e.errno() == Errno.EEXIST ? exists(target) : e;
            } catch (java.nio.file.FileAlreadyExistsException e) {
                throw exists(target);
            }
            deletePart();
        } else {
            if (from == null) {
                Path name = partOf(target);
                Files.deleteIfExists(name); // of a process that had our number
                part = name;
                file.link(name);
                from = name;
            }
            takeAttributes(from);
            Files.move(from, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            part = null;
        }
        if (durable) {
            try (FileChannel directory = FileChannel.open(parent(target), StandardOpenOption.READ)) {
                directory.force(true);
            }
        }
    }

    private void takeAttributes(Path to) throws IOException {
        if (old == null) {
            return;
        }
        PosixFileAttributes had = Files.readAttributes(target, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        PosixFileAttributeView view = Files.getFileAttributeView(to, PosixFileAttributeView.class);
        if (view == null) {
            return;
        }
        PosixFileAttributes has = view.readAttributes();
        try {
            if (!has.owner().equals(had.owner())) {
                view.setOwner(had.owner());
            }
            if (!has.group().equals(had.group())) {
                view.setGroup(had.group());
            }
        } catch (IOException e) {
            // only root may; what it is allowed to others is the same all the same
            System.getLogger("serai.disk").log(System.Logger.Level.DEBUG, "{0}", e);
        }
        view.setPermissions(had.permissions());
    }

    /** Takes away what has a name already, and leaves the files open: for the end of the process, while others may still write. */
    public void abandon() throws IOException {
        deletePart();
    }

    private void deletePart() throws IOException {
        Path p = part;
        part = null;
        if (p != null) {
            Files.deleteIfExists(p);
        }
    }

    /** Closes it; unless it has been published, nothing of it remains. */
    @Override
    public void close() throws IOException {
        try {
            deletePart();
        } finally {
            image.close();
            file.close();
            if (old != null) {
                old.close();
            }
        }
    }
}
