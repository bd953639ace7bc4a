package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.HostImageFile;
import serai.storage.qcow2.Qcow2Disk;
import serai.storage.qcow2.Qcow2Options;

/** Secrets that come while a VM runs, for disks that come after them. */
final class ObjectCommandsTest {
    private static final byte[] PASSPHRASE = "open \u00e9\n".getBytes(StandardCharsets.UTF_8);

    @TempDir
    Path directory;

    private final BlockTable t = new BlockTable();

    @AfterEach
    void close() {
        t.close();
    }

    @Test
    void anEncryptedDisk_isOpenedWithASecretThatWasAdded() throws Exception {
        Path image = directory.resolve("e.qcow2");
        try (HostImageFile f = HostImageFile.create(image)) {
            Qcow2Options o =
                    Qcow2Options.ofSize(1 << 20).with("encrypt.format", "luks").with("encrypt.iter-time", "1");
            Qcow2Disk.create(f, o, PASSPHRASE.clone());
        }
        Files.write(directory.resolve("secret"), PASSPHRASE);
        String open = "{'driver': 'qcow2', 'node-name': 'e', 'encrypt': {'format': 'luks', 'key-secret': 's'},"
                + " 'file': {'driver': 'file', 'filename': '" + image + "'}}";
        t.refused("No secret with id 's'", "blockdev-add", open);
        for (String how : new String[] {
            "'data': 'open \u00e9\\n'",
            "'data': '" + Base64.getEncoder().encodeToString(PASSPHRASE) + "', 'format': 'base64'",
            "'file': '" + directory.resolve("secret") + "', 'format': 'raw'"
        }) {
            t.done("object-add", "{'qom-type': 'secret', 'id': 's', " + how + "}");
            t.done("blockdev-add", open);
            t.done("object-del", "{'id': 's'}"); // it is open, and does not need it any more
            assertEquals(1, t.nodes.list().size());
            t.done("blockdev-del", "{'node-name': 'e'}");
        }
        t.refused("No secret with id 's'", "blockdev-add", open);
        t.done("object-add", "{'qom-type': 'secret', 'id': 's', 'data': 'wrong'}");
        t.refused("the passphrase opens no key slot of disk " + image, "blockdev-add", open);
    }

    @Test
    void whatCantBeIsRefused() throws Exception {
        t.done("object-add", "{'qom-type': 'secret', 'id': 's', 'data': 'x'}");
        t.refused("there is a secret 's' already", "object-add", "{'qom-type': 'secret', 'id': 's', 'data': 'y'}");
        t.refused(
                "Parameter 'qom-type' does not accept value 'iothread': there is 'secret'",
                "object-add",
                "{'qom-type': 'iothread', 'id': 'i'}");
        t.refused("Must provide 'file' or 'data'", "object-add", "{'qom-type': 'secret', 'id': 'i'}");
        t.refused(
                "'file' and 'data' are mutually exclusive",
                "object-add",
                "{'qom-type': 'secret', 'id': 'i', 'data': 'x', 'file': 'x'}");
        t.refused(
                "Parameter 'data' is no base64",
                "object-add",
                "{'qom-type': 'secret', 'id': 'i', 'data': 'x', 'format': 'base64'}");
        t.refused("object 'i' not found", "object-del", "{'id': 'i'}");
        t.done("object-del", "{'id': 's'}");
        t.refused("object 's' not found", "object-del", "{'id': 's'}");
    }
}
