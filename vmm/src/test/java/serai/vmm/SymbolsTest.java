package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Names from files of either kind, and files that are refused. */
final class SymbolsTest {
    @TempDir
    private Path directory = Path.of("");

    private Symbols read(byte[] file) throws Exception {
        Path p = directory.resolve("symbols");
        Files.deleteIfExists(p); // a file that is cut is written to the disk by some file systems
        Files.write(p, file);
        return Symbols.read(p);
    }

    private Symbols read(String file) throws Exception {
        return read(file.getBytes(StandardCharsets.ISO_8859_1));
    }

    private void refused(String file, String why) {
        String message = String.valueOf(
                assertThrows(VmmException.class, () -> read(file)).getMessage());
        assertTrue(message.contains(why), message);
    }

    @Test
    void linesAsOfSystemMapAndKallsyms() throws Exception {
        Symbols s = read("""
                0000000000000000 A fixed_percpu_data
                ffffffff81000000 T _text
                ffffffff81000000 T startup_64
                ffffffff81000100 t secondary
                ffffffff81000180 D data
                ffffffffc0000000 t probe\t[virtio_blk]
                """);
        assertEquals(new Symbols.Place(0xffffffff81000000L, "_text"), s.at(0xffffffff810000ffL));
        assertEquals(new Symbols.Place(0xffffffff81000100L, "secondary"), s.at(0xffffffff81000190L));
        assertEquals(new Symbols.Place(0xffffffffc0000000L, "probe[virtio_blk]"), s.at(0xffffffffc0000010L));
        assertNull(s.at(0xffffffff80ffffffL));
        assertNull(s.at(0xffffffff82000000L), "far behind the last");
        assertNull(s.at(0x1000));
        assertEquals(0xffffffff81000100L, s.address("secondary"));
        assertEquals(0, s.address("data"));
    }

    @Test
    void filesWithoutNamesOfCodeAreRefused() {
        refused("ffffffffffffffff B The real System.map is in the linux-image-dbg package\n", "it names no code");
        refused("0000000000000000 T _text\n", "it names no code");
        refused("", "it names no code");
        refused("int main(void) {}\n", "neither an ELF file nor lines");
        refused("f".repeat(2000), "neither an ELF file nor lines");
        Path none = directory.resolve("none");
        assertEquals(
                "symbols %s can't be used: there is no %s".formatted(none, none),
                assertThrows(VmmException.class, () -> Symbols.read(none)).getMessage());
    }

    @Test
    void whatIsPrintedHasNoControlCharacters() throws Exception {
        assertEquals("a?[31mb", name(read("1000 T a\033[31mb\n"), 0x1000));
    }

    private static String name(Symbols s, long address) {
        Symbols.Place p = s.at(address);
        return p == null ? "" : p.name();
    }

    /** An ELF file: its head, three sections (none, symbols, names), three symbols. */
    private static byte[] elf() {
        byte[] names = "\0main\0data\0outside\0".getBytes(StandardCharsets.ISO_8859_1);
        ByteBuffer b = ByteBuffer.allocate(64 + 3 * 64 + 4 * 24 + names.length).order(ByteOrder.LITTLE_ENDIAN);
        b.put(new byte[] {0x7f, 'E', 'L', 'F', 2, 1, 1});
        b.putLong(40, 64).putShort(58, (short) 64).putShort(60, (short) 3);
        int symbols = 64 + 3 * 64;
        b.putInt(128 + 4, 2)
                .putLong(128 + 24, symbols)
                .putLong(128 + 32, 4 * 24)
                .putInt(128 + 40, 2);
        b.putInt(192 + 4, 3).putLong(192 + 24, symbols + 4 * 24).putLong(192 + 32, names.length);
        symbol(b, symbols + 24, 1, 2, 1, 0x401000);
        symbol(b, symbols + 48, 6, 1, 1, 0x401010);
        symbol(b, symbols + 72, 11, 2, 0, 0x401020);
        b.put(symbols + 4 * 24, names);
        return b.array();
    }

    private static void symbol(ByteBuffer b, int at, int name, int type, int section, long address) {
        b.putInt(at, name)
                .put(at + 4, (byte) type)
                .putShort(at + 6, (short) section)
                .putLong(at + 8, address);
    }

    @Test
    void functionsOfAnElfFile() throws Exception {
        Symbols s = read(elf());
        assertEquals(new Symbols.Place(0x401000, "main"), s.at(0x401030));
        assertEquals(0, s.address("data"));
        assertEquals(0, s.address("outside"));
    }

    @Test
    void aBrokenElfFileIsRefusedInASentence() {
        Random random = new Random(20261125);
        byte[] good = elf();
        for (int i = 0; i < 3000; i++) {
            byte[] bad = Arrays.copyOf(good, i % 3 == 0 ? 4 + random.nextInt(good.length - 4) : good.length);
            for (int n = random.nextInt(4); n >= 0; n--) {
                bad[4 + random.nextInt(bad.length - 4)] = (byte) random.nextInt(256);
            }
            try {
                read(bad);
            } catch (VmmException e) {
                assertEquals(VmmException.INPUT, e.status());
            } catch (Exception e) {
                throw new AssertionError("change " + i, e);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"symbols=a", "profile=", "profile=p|symbols=", "profile=p|symbols=a,offset=x"})
    void wordsThatAreRefused(String words) {
        String[] all = ("kernel=k|" + words).split("\\|");
        assertEquals(
                VmmException.USAGE,
                assertThrows(VmmException.class, () -> VmConfig.parse(Arrays.asList(all)))
                        .status());
    }

    @Test
    void theOffsetStandsBehindTheLastComma() throws Exception {
        assertEquals(
                new ProfileConfig(Path.of("p"), Path.of("a,b"), 0x1000L),
                VmConfig.parse(Arrays.asList("kernel=k", "profile=p", "symbols=a,b,offset=0x1000"))
                        .session()
                        .profile());
    }
}
