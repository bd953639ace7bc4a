package serai.vmm.block;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import serai.storage.DiskException;

/** Passphrases by name, QEMU's {@code secret} objects. For any number of threads. */
public final class Secrets {
    private static final int MAX_BYTES = 64 << 10;
    private static final int MAX_SECRETS = 256;

    private final Map<String, byte[]> secrets = new TreeMap<>();

    /**
     * Adds one.
     *
     * @throws DiskException if the name is none or taken, or it is empty or longer than 64 KiB
     */
    public synchronized void add(String id, byte[] secret) throws DiskException {
        BlockNodes.checkName("id", id);
        if (secret.length == 0 || secret.length > MAX_BYTES) {
            throw new DiskException("secret '" + id + "' has " + secret.length + " bytes, and 1 to 65536 are possible");
        }
        if (secrets.size() == MAX_SECRETS) {
            throw new DiskException("a VM has at most " + MAX_SECRETS + " secrets");
        }
        if (secrets.putIfAbsent(id, secret.clone()) != null) {
            throw new DiskException("there is a secret '" + id + "' already");
        }
    }

    /** Adds what stands in a file, all of it: a line end at its end is a part of it, as QEMU takes it. */
    public void add(String id, Path file) throws DiskException {
        try {
            if (Files.size(file) > MAX_BYTES) {
                throw new DiskException("file " + file + " is longer than the 64 KiB that a secret may have");
            }
            add(id, Files.readAllBytes(file));
        } catch (DiskException e) {
            throw e;
        } catch (IOException e) {
            throw new DiskException("secret '" + id + "' can't be read from " + file + ": " + reason(e), e);
        }
    }

    private static String reason(IOException e) {
        return e instanceof java.nio.file.NoSuchFileException ? "no such file" : String.valueOf(e.getMessage());
    }

    /** Removes one; disks that are open don't need it any more. */
    public synchronized void remove(String id) throws DiskException {
        if (secrets.remove(id) == null) {
            throw new DiskException("object '" + BlockNodes.printable(id) + "' not found");
        }
    }

    /** A copy of one, which its user may overwrite. */
    synchronized byte[] get(String id) throws DiskException {
        byte[] s = secrets.get(id);
        if (s == null) {
            throw new DiskException("No secret with id '" + BlockNodes.printable(id) + "'");
        }
        return s.clone();
    }
}
