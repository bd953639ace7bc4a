package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A stock Debian kernel, the one for all machines, mounts a directory of this host and reads what is in it. */
@Tag("e2e")
final class ShareTest {
    @TempDir
    Path directory;

    @Test
    void aDirectoryIsMounted_read_andNotChanged() throws Exception {
        Path tree = Files.createDirectories(directory.resolve("tree"));
        Files.createDirectories(tree.resolve("sub/deep"));
        byte[] large = new byte[(2 << 20) + 12345];
        new Random(7).nextBytes(large);
        Files.write(tree.resolve("sub/large"), large);
        Files.writeString(tree.resolve("hello"), "hello, guest\n");
        Files.writeString(directory.resolve("secret"), "secret");
        Files.createSymbolicLink(tree.resolve("link"), Path.of("hello"));
        Files.createSymbolicLink(tree.resolve("out"), directory.resolve("secret"));
        for (int i = 0; i < 300; i++) {
            Files.createFile(tree.resolve("sub/deep/file" + i));
        }
        String sum = HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(large));
        try (Vmm v = Vmm.start(Tiny.image("generic", "share=host," + tree + ",readonly"))) {
            Tiny.awaitShell(v);
            assertEquals(
                    "mounted 0",
                    Tiny.shell(
                            v,
                            "mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144 host /mnt; echo mounted $?"));
            assertEquals("hello, guest", Tiny.shell(v, "cat /mnt/link"));
            assertEquals("hello link out sub", Tiny.shell(v, "echo $(ls /mnt)"));
            assertEquals(sum + "  -", Tiny.shell(v, "md5sum </mnt/sub/large"));
            assertEquals("300", Tiny.shell(v, "ls /mnt/sub/deep | wc -l"));
            assertEquals(
                    large.length + " 644",
                    Tiny.shell(v, "chmod 644 /mnt/hello 2>/dev/null; stat -c '%s %a' /mnt/sub/large"));
            assertTrue(Tiny.shell(v, "cat /mnt/out 2>&1").contains("No such file"), "the guest's own path");
            // what is new on the host is there at once
            Files.writeString(tree.resolve("new"), "later");
            assertEquals("later", Tiny.shell(v, "cat /mnt/new"));
            Tiny.shell(v, "umount /mnt; mount -t 9p -o trans=virtio,version=9p2000.L host /mnt");
            assertTrue(Tiny.shell(v, "(echo x >/mnt/hello) 2>&1").contains("Read-only"));
            assertTrue(Tiny.shell(v, "rm /mnt/hello 2>&1").contains("Read-only"));
            assertTrue(Tiny.shell(v, "mkdir /mnt/d 2>&1").contains("Read-only"));
            v.type("poweroff -f\n");
            assertEquals(0, v.await(60).status());
        }
        assertEquals("hello, guest\n", Files.readString(tree.resolve("hello")));
    }

    @Test
    void whatTheGuestWritesIsOnTheHost() throws Exception {
        Path tree = Files.createDirectories(directory.resolve("tree"));
        try (Vmm v = Vmm.start(Tiny.image("generic", "share=host," + tree))) {
            Tiny.awaitShell(v);
            Tiny.shell(v, "mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 host /mnt");
            String sum = Tiny.shell(v, "dd if=/dev/urandom of=/tmp/r bs=100k count=20 2>/dev/null; md5sum </tmp/r");
            assertEquals(
                    "done 0",
                    Tiny.shell(
                            v,
                            "mkdir -p /mnt/a/b && cp /tmp/r /mnt/a/b/r && mv /mnt/a/b/r /mnt/a/r && rmdir /mnt/a/b"
                                    + " && ln -s r /mnt/a/l && ln /mnt/a/r /mnt/hard && echo more >>/mnt/text"
                                    + " && echo lines >>/mnt/text && chmod 600 /mnt/text && touch /mnt/gone"
                                    + " && rm /mnt/gone && sync; echo done $?"));
            byte[] there = Files.readAllBytes(tree.resolve("a/r"));
            assertEquals(
                    sum,
                    HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(there)) + "  -");
            assertEquals(Path.of("r"), Files.readSymbolicLink(tree.resolve("a/l")));
            assertEquals("more\nlines\n", Files.readString(tree.resolve("text")));
            assertTrue(Files.isSameFile(tree.resolve("a/r"), tree.resolve("hard")));
            assertTrue(Files.notExists(tree.resolve("gone")) && Files.notExists(tree.resolve("a/b")));
            v.type("poweroff -f\n");
            assertEquals(0, v.await(60).status());
        }
    }
}
