package serai.vmm;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Names of the guest's code by address: from the symbol table of a 64-bit ELF file (System V ABI, chapter 4), or from lines {@code ADDRESS TYPE NAME}, as
 * System.map and a guest's {@code /proc/kallsyms} have them.
 */
final class Symbols {
    private static final int MOST = 2_000_000;
    private static final int LONGEST_LINE = 1000;
    private static final int MOST_BYTES = 128 << 20;
    /** No function is longer. */
    private static final long REACH = 1 << 18;

    private static final int SECTION = 64, SYMBOL = 24;
    private static final int SHT_SYMTAB = 2, SHT_DYNSYM = 11;
    private static final int STT_NOTYPE = 0, STT_FUNC = 2;

    private record Symbol(long address, String name) {}

    /** A symbol that an address belongs to. */
    record Place(long address, String name) {}

    private final Symbol[] symbols;

    private Symbols(List<Symbol> found) {
        symbols = found.toArray(new Symbol[0]);
        java.util.Arrays.sort(
                symbols,
                Comparator.comparing(Symbol::address, Long::compareUnsigned).thenComparing(Symbol::name));
    }

    /**
     * Reads a file.
     *
     * @throws VmmException if it can't be read or has no names of code
     */
    static Symbols read(Path file) throws VmmException {
        List<Symbol> found;
        try (FileChannel in = FileChannel.open(file)) {
            ByteBuffer magic = ByteBuffer.allocate(4);
            in.read(magic, 0);
            found = magic.getInt(0) == 0x7f454c46 ? elf(in) : lines(in);
        } catch (IOException e) {
            throw refused(file, Reasons.of(e), e);
        } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
            throw refused(file, "its symbol table is broken", e);
        }
        if (found.isEmpty()) {
            throw refused(
                    file,
                    "it names no code (the System.map of a Debian package is empty; /proc/kallsyms of the guest, read as root, has the names)",
                    null);
        }
        return new Symbols(found);
    }

    private static VmmException refused(Path file, String why, @Nullable Exception cause) {
        String sentence = "symbols %s can't be used: %s".formatted(file, why);
        return cause == null
                ? new VmmException(VmmException.INPUT, sentence)
                : new VmmException(VmmException.INPUT, sentence, cause);
    }

    private static void add(List<Symbol> found, long address, String name) {
        if (found.size() == MOST) {
            throw new IllegalArgumentException("more than " + MOST);
        }
        // it is printed
        found.add(new Symbol(address, name.replaceAll("[^!-~]", "?")));
    }

    private static List<Symbol> lines(FileChannel in) throws IOException {
        if (in.size() > MOST_BYTES) {
            throw new IOException("the file is too large");
        }
        List<Symbol> found = new ArrayList<>();
        BufferedReader reader = new BufferedReader(
                new InputStreamReader(Channels.newInputStream(in.position(0)), StandardCharsets.ISO_8859_1));
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            if (line.length() > LONGEST_LINE) {
                throw new IOException("it is neither an ELF file nor lines of addresses, types and names");
            }
            String[] words = line.strip().split("\\s+", 4);
            if (words.length < 3 || !words[0].matches("[0-9a-fA-F]{1,16}") || words[1].length() != 1) {
                throw new IOException("it is neither an ELF file nor lines of addresses, types and names");
            }
            long address = Long.parseUnsignedLong(words[0], 16);
            if ("tTwW".contains(words[1]) && address != 0) {
                add(found, address, words.length == 4 ? words[2] + words[3] : words[2]);
            }
        }
        return found;
    }

    private static ByteBuffer part(FileChannel in, long position, long bytes) throws IOException {
        if (position < 0 || bytes < 0 || bytes > MOST_BYTES || position > in.size() - bytes) {
            throw new IllegalArgumentException("outside of the file");
        }
        ByteBuffer b = ByteBuffer.allocate((int) bytes).order(ByteOrder.LITTLE_ENDIAN);
        while (b.hasRemaining() && in.read(b, position + b.position()) > 0) {
            // as much as there is
        }
        if (b.hasRemaining()) {
            throw new IllegalArgumentException("outside of the file");
        }
        return b;
    }

    private static List<Symbol> elf(FileChannel in) throws IOException {
        ByteBuffer head = part(in, 0, 64);
        if (head.get(4) != 2 || head.get(5) != 1) {
            throw new IOException("it is not a 64-bit little-endian ELF file");
        }
        int count = head.getShort(60) & 0xffff;
        ByteBuffer sections = part(in, head.getLong(40), (long) count * SECTION);
        List<Symbol> found = new ArrayList<>();
        for (int wanted : new int[] {SHT_SYMTAB, SHT_DYNSYM}) {
            for (int i = 0; i < count && found.isEmpty(); i++) {
                if (sections.getInt(i * SECTION + 4) == wanted) {
                    int names = sections.getInt(i * SECTION + 40);
                    table(found, section(in, sections, i), section(in, sections, names));
                }
            }
        }
        return found;
    }

    private static ByteBuffer section(FileChannel in, ByteBuffer sections, int i) throws IOException {
        if (i < 0 || i >= sections.capacity() / SECTION) {
            throw new IllegalArgumentException("no such section");
        }
        return part(in, sections.getLong(i * SECTION + 24), sections.getLong(i * SECTION + 32));
    }

    private static void table(List<Symbol> found, ByteBuffer table, ByteBuffer names) {
        for (int at = 0; at + SYMBOL <= table.capacity(); at += SYMBOL) {
            int type = table.get(at + 4) & 15;
            long address = table.getLong(at + 8);
            int section = table.getShort(at + 6) & 0xffff;
            // of the executable's sections, not undefined or absolute
            if ((type == STT_FUNC || type == STT_NOTYPE) && section != 0 && section < 0xff00 && address != 0) {
                String name = name(names, table.getInt(at));
                if (!name.isEmpty()) {
                    add(found, address, name);
                }
            }
        }
    }

    private static String name(ByteBuffer names, int at) {
        int end = at;
        while (end - at < LONGEST_LINE && names.get(end) != 0) {
            end++;
        }
        return new String(names.array(), at, end - at, StandardCharsets.ISO_8859_1);
    }

    /** The address of a name; 0 if there is none. */
    long address(String name) {
        for (Symbol s : symbols) {
            if (s.name.equals(name)) {
                return s.address;
            }
        }
        return 0;
    }

    /** What the code at an address belongs to: the symbol before it, if that is not too far. */
    @Nullable
    Place at(long address) {
        int low = 0;
        int high = symbols.length;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (Long.compareUnsigned(symbols[middle].address, address) <= 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if (low == 0) {
            return null;
        }
        long start = symbols[low - 1].address;
        if (Long.compareUnsigned(address - start, REACH) >= 0) {
            return null;
        }
        int first = low - 1;
        while (first > 0 && symbols[first - 1].address == start) {
            first--; // always the same one of several names
        }
        return new Place(start, symbols[first].name);
    }
}
