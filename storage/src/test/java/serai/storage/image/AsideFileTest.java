package serai.storage.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.DiskException;
import serai.storage.HostImageFile;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;

@SuppressWarnings("try")
class AsideFileTest {
    private final Path dir;

    AsideFileTest(@TempDir Path dir) {
        this.dir = dir;
    }

    private List<String> names() throws IOException {
        try (Stream<Path> all = Files.list(dir)) {
            return all.map(p -> p.getFileName().toString()).sorted().toList();
        }
    }

    private static void write(AsideFile aside, String text) throws IOException {
        try (ImageFile f = aside.file();
                NativeBuffer b = new NativeBuffer(text.length())) {
            b.segment().asByteBuffer().put(text.getBytes());
            f.write(0, b.address(), text.length());
        }
    }

    @Test
    void appearsWhenItIsPublished() throws IOException {
        Path p = dir.resolve("a");
        try (AsideFile aside = AsideFile.create(p, AsideFile.IfThere.REFUSE)) {
            write(aside, "new");
            assertEquals(List.of(), names());
            aside.publish();
        }
        assertEquals(List.of("a"), names());
        assertEquals("new", Files.readString(p));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(p)));
    }

    @Test
    void withoutPublish_nothingRemains_andTheOldStays() throws IOException {
        Path p = Files.writeString(dir.resolve("a"), "old");
        try (AsideFile aside = AsideFile.create(p, AsideFile.IfThere.REPLACE)) {
            write(aside, "new");
        }
        assertEquals(List.of("a"), names());
        assertEquals("old", Files.readString(p));
    }

    @Test
    void replaces_andKeepsThePermissions() throws IOException {
        Path p = Files.writeString(dir.resolve("a"), "old");
        Files.setPosixFilePermissions(p, PosixFilePermissions.fromString("rw-r-----"));
        try (AsideFile aside = AsideFile.create(p, AsideFile.IfThere.REPLACE)) {
            write(aside, "new");
            assertEquals("old", Files.readString(p));
            aside.publish();
        }
        assertEquals(List.of("a"), names());
        assertEquals("new", Files.readString(p));
        assertEquals("rw-r-----", PosixFilePermissions.toString(Files.getPosixFilePermissions(p)));
    }

    @Test
    void whatALinkLeadsTo_isReplaced() throws IOException {
        Files.createDirectory(dir.resolve("d"));
        Files.writeString(dir.resolve("d/a"), "old");
        Path link = Files.createSymbolicLink(dir.resolve("l"), Path.of("d/a"));
        try (AsideFile aside = AsideFile.create(link, AsideFile.IfThere.REPLACE)) {
            write(aside, "new");
            aside.publish();
        }
        assertTrue(Files.isSymbolicLink(link));
        assertEquals("new", Files.readString(dir.resolve("d/a")));
    }

    @Test
    void oneThatIsThere_isRefused_alsoIfItCameMeanwhile() throws IOException {
        Path p = Files.writeString(dir.resolve("a"), "old");
        assertThrows(DiskException.class, () -> AsideFile.create(p, AsideFile.IfThere.REFUSE));
        Path q = dir.resolve("b");
        try (AsideFile aside = AsideFile.create(q, AsideFile.IfThere.REFUSE)) {
            Files.writeString(q, "other");
            assertThrows(DiskException.class, aside::publish);
        }
        assertEquals("other", Files.readString(q));
        assertEquals(List.of("a", "b"), names());
    }

    @Test
    void oneInUse_isNotReplaced() throws IOException {
        Path p = Files.writeString(dir.resolve("a"), "old");
        try (HostImageFile used = HostImageFile.open(p, true)) {
            DiskException e = assertThrows(DiskException.class, () -> AsideFile.create(p, AsideFile.IfThere.REPLACE));
            assertTrue(String.valueOf(e.getMessage()).contains("in use"), e.getMessage());
        }
    }

    @Test
    void noDirectory_isRefused() {
        assertThrows(DiskException.class, () -> AsideFile.create(dir.resolve("no/a"), AsideFile.IfThere.REPLACE));
        assertThrows(DiskException.class, () -> AsideFile.create(dir, AsideFile.IfThere.REPLACE));
        assertFalse(Files.exists(dir.resolve("no")));
    }
}
