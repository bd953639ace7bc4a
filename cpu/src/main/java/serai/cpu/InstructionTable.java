package serai.cpu;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.CpuFeature;

/**
 * The instruction table: the one source for the decoder, the interpreter, the translator and the test generator. Its
 * text stands in the resources {@code instructions-*.tab}; the head of {@code instructions-base.tab} explains the columns.
 */
final class InstructionTable {
    private static final String[] FILES = {
        "instructions-base.tab",
        "instructions-x87.tab",
        "instructions-sse.tab",
        "instructions-sse4.tab",
        "instructions-avx.tab",
        "instructions-avx2.tab",
        "instructions-fma.tab"
    };

    /** The table of this program. */
    static final InstructionTable INSTANCE = new InstructionTable();

    private static final int OPCODES = 4 * 256;

    private final List<InstructionRow> rows = new ArrayList<>();
    /** By map and opcode; the VEX-encoded ones after the others. */
    private final RowPlan[][] index = new RowPlan[2 * OPCODES][];

    private final boolean[] vectors;

    private InstructionTable() {
        Arrays.fill(index, new RowPlan[0]);
        for (String file : FILES) {
            read(file);
        }
        vectors = new boolean[rows.size()];
        for (InstructionRow row : rows) {
            vectors[row.number()] = !row.source().matches("instructions-(base|x87).*");
        }
        for (InstructionRow row : rows) {
            RowPlan plan = new RowPlan(row);
            for (int i = 0; i < (row.plusReg() ? 8 : 1); i++) {
                int at = slot(row.isVex(), row.map(), row.opcode() + i);
                RowPlan[] old = index[at];
                index[at] = Arrays.copyOf(old, old.length + 1);
                index[at][old.length] = plan;
            }
        }
    }

    /** Whether a row may touch XMM registers; MMX counts as if it did. */
    boolean vectors(InstructionRow row) {
        return vectors[row.number()];
    }

    /** All rows, in the order of the files. */
    List<InstructionRow> rows() {
        return rows;
    }

    /**
     * The rows of an opcode, in the order of the table: of those that fit an encoding the first is taken. Not to be changed.
     *
     * @param map 0 to 3
     * @param opcode 0 to 255
     */
    RowPlan[] lookup(boolean vex, int map, int opcode) {
        return index[slot(vex, map, opcode)];
    }

    private static int slot(boolean vex, int map, int opcode) {
        return (vex ? OPCODES : 0) + map * 256 + opcode;
    }

    private void read(String file) {
        String all;
        try (InputStream in = InstructionTable.class.getResourceAsStream(file)) {
            all = new String(Objects.requireNonNull(in, file).readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        int n = 1;
        for (int start = 0; start < all.length(); n++) {
            int newline = all.indexOf('\n', start);
            int end = newline < 0 ? all.length() : newline;
            int hash = all.indexOf('#', start);
            String text =
                    all.substring(start, hash >= 0 && hash < end ? hash : end).strip();
            if (!text.isEmpty()) {
                rows.add(parse(text, file + ":" + n, rows.size()));
            }
            start = end + 1;
        }
    }

    /**
     * The words of a text without those that are empty. No regular expressions: the table is read each time Serai starts, in a JVM that has yet
     * to compile anything.
     */
    private static List<String> words(String text, char separator) {
        List<String> words = new ArrayList<>();
        int length = text.length();
        for (int start = 0; start < length; ) {
            int end = text.indexOf(separator, start);
            end = end < 0 ? length : end;
            if (end > start) {
                words.add(text.substring(start, end));
            }
            start = end + 1;
        }
        return List.copyOf(words);
    }

    private static @Nullable CpuFeature needs(List<String> attributes) {
        for (String a : attributes) {
            if (a.startsWith("cpuid=")) {
                return CpuFeature.valueOf(a.substring(6));
            }
        }
        return null;
    }

    private static int vexLength(String vex) {
        return vex.contains(".LIG.") || vex.contains(".LX.")
                ? InstructionRow.ANY_LENGTH
                : vex.contains(".256.") || vex.contains(".L1.") ? 1 : 0;
    }

    /** Columns are separated by '|': encoding | mnemonic | operands | attributes. */
    private static InstructionRow parse(String line, String source, int number) {
        String[] column = line.split("\\|", -1);
        if (column.length != 4) {
            throw new IllegalStateException(source + ": four columns are due");
        }
        int map = 0;
        int opcode = -1;
        int prefix = InstructionRow.ANY_PREFIX;
        int rexW = InstructionRow.ANY_W;
        int reg = -1;
        int rm = -1;
        int mod = InstructionRow.ANY_MOD;
        boolean modrm = false;
        boolean plusReg = false;
        String vex = "";
        for (String word : words(column[0], ' ')) {
            switch (word) {
                case "NP" -> prefix = 0;
                case "W0" -> rexW = 0;
                case "W1" -> rexW = 1;
                case "NFx" -> prefix = InstructionRow.NO_REPEAT;
                case "/r" -> modrm = true;
                case "mem" -> mod = InstructionRow.MEMORY;
                case "reg" -> mod = InstructionRow.REGISTER;
                case "+r" -> plusReg = true;
                default -> {
                    if (word.startsWith("VEX.")) {
                        vex = word;
                        rexW = word.endsWith(".W0") ? 0 : word.endsWith(".W1") ? 1 : InstructionRow.ANY_W;
                        map = word.contains(".0F38.") ? 2 : word.contains(".0F3A.") ? 3 : 1;
                        prefix = word.contains(".66.")
                                ? 0x66
                                : word.contains(".F3.") ? 0xf3 : word.contains(".F2.") ? 0xf2 : 0;
                    } else if (word.startsWith("pp=")) {
                        prefix = Integer.parseInt(word.substring(3), 16);
                    } else if (word.startsWith("/")) {
                        modrm = true;
                        reg = word.charAt(1) - '0';
                    } else if (word.startsWith("rm=")) {
                        rm = word.charAt(3) - '0';
                        mod = InstructionRow.REGISTER;
                    } else {
                        int b = Integer.parseInt(word, 16);
                        if (opcode == -1 && map == 0 && b == 0x0f) {
                            map = 1;
                        } else if (opcode == -1 && map == 1 && vex.isEmpty() && (b == 0x38 || b == 0x3a)) {
                            map = b == 0x38 ? 2 : 3;
                        } else {
                            opcode = b;
                        }
                    }
                }
            }
        }
        if (opcode < 0) {
            throw new IllegalStateException(source + ": no opcode");
        }
        String mnemonic = column[1].strip();
        List<String> attributes = words(column[3], ' ');
        return new InstructionRow(
                number,
                mnemonic,
                !vex.isEmpty() && mnemonic.startsWith("V") ? mnemonic.substring(1) : mnemonic,
                map,
                opcode,
                plusReg,
                prefix,
                rexW,
                modrm,
                reg,
                rm,
                mod,
                vex,
                vexLength(vex),
                words(column[2].strip(), ','),
                attributes,
                needs(attributes),
                source);
    }
}
