package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import serai.machine.engine.CpuFeature;

class InstructionTableTest {
    /** Rows that mean #UD. */
    private static final Set<String> UNDEFINED = Set.of("UD0", "UD1", "UD2", "RSM");

    /** Bytes of an instruction of this row: mod 3 or memory at [RAX], immediates zero. */
    private static byte[] encode(InstructionRow row) {
        List<Integer> b = new ArrayList<>();
        if (row.isVex()) {
            // no register above 7; vvvv none, or 3 where it is an operand
            int pp = row.prefix() == 0 ? 0 : row.prefix() == 0x66 ? 1 : row.prefix() == 0xf3 ? 2 : 3;
            int vvvv = row.operands().stream().anyMatch(o -> o.startsWith("H")) ? 3 : 0;
            int length = Math.max(0, row.vexLength());
            b.addAll(List.of(
                    0xc4, 0xe0 | row.map(), Math.max(0, row.rexW()) << 7 | (~vvvv & 15) << 3 | length << 2 | pp));
        } else if (row.prefix() > 0) {
            b.add(row.prefix());
        }
        if (row.rexW() == 1 && !row.isVex()) {
            b.add(0x48);
        }
        if (row.map() > 0 && row.vex().isEmpty()) {
            b.add(0x0f);
        }
        if (row.map() > 1 && row.vex().isEmpty()) {
            b.add(row.map() == 2 ? 0x38 : 0x3a);
        }
        b.add(row.opcode());
        if (row.modrm()) {
            boolean memory = row.mod() == InstructionRow.MEMORY
                    || row.operands().stream().anyMatch(o -> o.startsWith("M"));
            int rm = row.rm() >= 0 ? row.rm() : row.has("vsib") ? 4 : 1;
            b.add((memory ? 0 : 0xc0) | Math.max(row.reg(), 0) << 3 | rm);
            if (row.has("vsib")) {
                b.add(2 << 3); // [RAX + vector 2]
            }
        }
        byte[] bytes = new byte[15];
        for (int i = 0; i < b.size(); i++) {
            bytes[i] = b.get(i).byteValue();
        }
        return bytes;
    }

    @Test
    void everyRowIsDecodedAndHasANode() {
        Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
        for (InstructionRow row : InstructionTable.INSTANCE.rows()) {
            byte[] bytes = encode(row);
            int codeSize = row.has("i64") ? 4 : 8;
            Decoded d = new Decoded();
            Decoder.Result result = decoder.decode(d, i -> bytes[i] & 0xff, codeSize, codeSize);
            assertEquals(Decoder.Result.OK, result, row.toString());
            assertEquals(row, d.row, "an earlier row hides " + row);
            Node node = NodeFactory.make(d);
            assertNotNull(node);
            boolean raises = node instanceof SystemNodes.Raise;
            if (raises && !UNDEFINED.contains(row.mnemonic()) && !row.mnemonic().equals("RDPMC")) {
                // MOV to CS is the one form of a row that has none
                assertEquals("MOVRS", row.mnemonic(), "no node for " + row);
            }
        }
    }

    @Test
    void anInstructionHasAtMost15Bytes() {
        byte[] bytes = new byte[16];
        java.util.Arrays.fill(bytes, (byte) 0x66);
        bytes[14] = (byte) 0x90;
        Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
        assertEquals(Decoder.Result.OK, decoder.decode(new Decoded(), i -> bytes[i] & 0xff, 8, 8));
        bytes[14] = 0x66;
        assertEquals(Decoder.Result.TOO_LONG, decoder.decode(new Decoded(), i -> bytes[i] & 0xff, 8, 8));
    }

    @Test
    void flagsNeverContradict() {
        for (InstructionRow row : InstructionTable.INSTANCE.rows()) {
            for (char f : row.value("w").toCharArray()) {
                assertTrue("oszapc".indexOf(f) >= 0, row.toString());
                assertFalse(row.value("u").indexOf(f) >= 0, "written and undefined: " + row);
            }
        }
    }
}
