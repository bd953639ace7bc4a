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

    /** SDM vol. 2, appendix B.1.4.7: the low four bits of the opcode name the condition, the last of them negates it. */
    @Test
    void aConditionReadsTheFlagsItTests() {
        int[] tested = {
            CpuRegisters.OF,
            CpuRegisters.CF,
            CpuRegisters.ZF,
            CpuRegisters.CF | CpuRegisters.ZF,
            CpuRegisters.SF,
            CpuRegisters.PF,
            CpuRegisters.SF | CpuRegisters.OF,
            CpuRegisters.ZF | CpuRegisters.SF | CpuRegisters.OF
        };
        int n = 0;
        for (InstructionRow row : InstructionTable.INSTANCE.rows()) {
            if (Set.of("Jcc", "SETcc", "CMOVcc").contains(row.mnemonic())) {
                RowPlan plan = new RowPlan(row);
                assertEquals(tested[row.opcode() >> 1 & 7], plan.read, row.toString());
                assertEquals(0, plan.written | plan.undefined, row.toString());
                n++;
            }
        }
        assertEquals(4 * 16, n);
    }

    private static String flagsOf(int... bytes) {
        Decoded d = new Decoded();
        Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
        assertEquals(Decoder.Result.OK, decoder.decode(d, i -> i < bytes.length ? bytes[i] : 0, 8, 8));
        RowPlan p = d.plan;
        return "%s w=%x u=%x r=%x%s"
                .formatted(d.row.mnemonic(), p.written, p.undefined, p.read, p.has(RowPlan.KEEPS) ? " keeps" : "");
    }

    @Test
    void flagsAreThoseOfRflags() {
        assertEquals("ADC w=8d5 u=0 r=1", flagsOf(0x11, 0xc0));
        assertEquals("AND w=8c5 u=10 r=0", flagsOf(0x21, 0xc0));
        assertEquals("INC w=8d4 u=0 r=0", flagsOf(0xff, 0xc0));
        assertEquals("IMUL w=801 u=d4 r=0", flagsOf(0x0f, 0xaf, 0xc0));
        assertEquals("RCL w=801 u=0 r=1", flagsOf(0xd1, 0xd0));
        assertEquals("RCL w=801 u=0 r=1 keeps", flagsOf(0xd3, 0xd0));
        assertEquals("SHL w=8c5 u=10 r=0 keeps", flagsOf(0xc1, 0xe0));
        assertEquals("CMPS w=8d5 u=0 r=0 keeps", flagsOf(0xf3, 0xa6));
        assertEquals("SYSCALL w=8d5 u=0 r=8d5", flagsOf(0x0f, 0x05));
        assertEquals("LEA w=0 u=0 r=0", flagsOf(0x8d, 0x00));
    }
}
