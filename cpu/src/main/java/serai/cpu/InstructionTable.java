package serai.cpu;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
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

    private final List<InstructionRow> rows = new ArrayList<>();
    /** By map and opcode. */
    private final @Nullable InstructionRow[][][] index = new InstructionRow[4][256][];

    private final @Nullable InstructionRow[][][] vexIndex = new InstructionRow[4][256][];

    private InstructionTable() {
        for (String file : FILES) {
            read(file);
        }
        for (InstructionRow row : rows) {
            InstructionRow[][] byOpcode = (row.vex().isEmpty() ? index : vexIndex)[row.map()];
            for (int i = 0; i < (row.plusReg() ? 8 : 1); i++) {
                InstructionRow[] old = byOpcode[row.opcode() + i];
                InstructionRow[] now =
                        old == null ? new InstructionRow[1] : java.util.Arrays.copyOf(old, old.length + 1);
                now[now.length - 1] = row;
                byOpcode[row.opcode() + i] = now;
            }
        }
    }

    /** All rows, in the order of the files. */
    List<InstructionRow> rows() {
        return rows;
    }

    /** The legacy-encoded rows for an opcode; null if there are none. */
    InstructionRow @Nullable [] lookup(int map, int opcode) {
        return index[map][opcode];
    }

    /** The VEX-encoded rows for an opcode; null if there are none. */
    InstructionRow @Nullable [] lookupVex(int map, int opcode) {
        return vexIndex[map][opcode];
    }

    private void read(String file) {
        try (InputStream in = InstructionTable.class.getResourceAsStream(file)) {
            BufferedReader reader =
                    new BufferedReader(new InputStreamReader(Objects.requireNonNull(in, file), StandardCharsets.UTF_8));
            String line;
            for (int n = 1; (line = reader.readLine()) != null; n++) {
                int hash = line.indexOf('#');
                String text = (hash < 0 ? line : line.substring(0, hash)).strip();
                if (!text.isEmpty()) {
                    rows.add(parse(text, file + ":" + n, rows.size()));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static @Nullable CpuFeature needs(String attributes) {
        for (String a : attributes.split(" +")) {
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
        for (String word : column[0].strip().split(" +")) {
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
        String operands = column[2].strip();
        String attributes = column[3].strip();
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
                operands.isEmpty() ? List.of() : List.of(operands.split(",")),
                attributes.isEmpty() ? List.of() : List.of(attributes.split(" +")),
                needs(attributes),
                source);
    }
}
