package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import java.util.EnumSet;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import serai.cpu.Decoded.Kind;
import serai.machine.engine.CpuFeature;

/** The VEX prefix: SDM vol. 2, 2.3. */
final class VexDecodingTest {
    private final Decoded d = new Decoded();
    private EnumSet<CpuFeature> features = EnumSet.allOf(CpuFeature.class);

    /** The mnemonic and length of what the bytes decode to in code of this size, or "#UD". */
    private String decode(int codeSize, String hex) {
        byte[] b = HexFormat.of().parseHex(hex.replace(" ", ""));
        Decoder.Result r = new Decoder(features).decode(d, i -> i < b.length ? b[i] & 0xff : 0, codeSize, codeSize);
        return r == Decoder.Result.OK ? d.row.mnemonic() + " " + d.length : "#UD";
    }

    @Test
    void otherPrefixesBeforeIt_areUndefined_2_3_2_to_2_3_4() {
        assertEquals("VPXOR 4", decode(8, "c5f5efc2"));
        for (String prefix : new String[] {"66", "f2", "f3", "f0", "40", "48", "66 40"}) {
            assertEquals("#UD", decode(8, prefix + "c5f5efc2"), prefix);
        }
        assertEquals("VPXOR 6", decode(8, "65 67 c5f5ef00"), "segment and address size stay");
    }

    @Test
    void vvvvThatIsNoOperand_mustBeAllOnes_2_3_5_6() {
        assertEquals("VMOVDQU 4", decode(8, "c5fe6fc1"));
        assertEquals("#UD", decode(8, "c5f66fc1"));
        assertEquals("#UD", decode(8, "c5f077"), "VZEROUPPER");
        assertEquals("VMOVSS 4", decode(8, "c5f210c1"));
        assertEquals("#UD", decode(8, "c5f21001"), "a load has no second source");
    }

    @Test
    void lengthAndW_areAsTheFormSays_2_3_5_and_2_3_6() {
        assertEquals("#UD", decode(8, "c5fd6ec0"), "VMOVD of 256 bits");
        assertEquals("VADDSS 4", decode(8, "c5f658c2"), "scalars ignore it");
        assertEquals("#UD", decode(8, "c4e37906c201"), "VPERM2F128 of 128 bits");
        assertEquals("#UD", decode(8, "c4e2f918c1"), "VBROADCASTSS with W");
        assertEquals("VFMADD213PD 5", decode(8, "c4e2f1a8c2"));
        assertEquals("VFMADD213PS 5", decode(8, "c4e271a8c2"));
        assertEquals("#UD", decode(8, "c4e0f158c2"), "map 0");
        assertEquals("#UD", decode(8, "c4e4f158c2"), "map 4");
    }

    @Test
    void in32BitCode_itStandsWhereLdsAndLesWouldHaveARegister_2_3_5_3() {
        assertEquals("VPXOR 4", decode(4, "c5f5efc2"));
        assertEquals("LDS 2", decode(4, "c506"));
        assertEquals("LES 2", decode(4, "c406"));
        assertEquals("LDS 6", decode(4, "c58578563412"));
        assertEquals("VFMADD213PD 5", decode(4, "c4e2f1a8c2"), "W as an opcode extension");
        assertEquals("VMOVD 5", decode(4, "c4e1f96ec0"));
        assertEquals(4, d.size[1], "and W as a size has no effect");
        assertEquals("VPXOR 5", decode(4, "c4c175efc2"));
        assertEquals(2, d.operand[2], "there are eight registers");
        assertEquals("VBLENDVPS 6", decode(4, "c4e3754ac2ff"));
        assertEquals(7, d.operand[3]);
    }

    @Test
    void registersAndSizes_comeFromTheirFields() {
        assertEquals("VBLENDVPS 6", decode(8, "c443154ac7e0"));
        assertEquals(8, d.operand[0]);
        assertEquals(13, d.operand[1]);
        assertEquals(15, d.operand[2]);
        assertEquals(14, d.operand[3]);
        assertEquals(32, d.size[2]);
        assertEquals("VBLENDVPS 6", decode(8, "c443114ac7e0"));
        assertEquals(16, d.size[2]);
    }

    @Test
    void aVectorOfIndices_needsASib_andThreeDifferentRegisters_2_3_12() {
        assertEquals("VPGATHERDD 6", decode(8, "c4e275900410"));
        assertEquals(2, d.vectorIndex);
        assertEquals(Kind.MEM, d.kind[1]);
        assertEquals("VPGATHERDD 6", decode(8, "c4e275900420"));
        assertEquals(4, d.vectorIndex, "4 is a register here");
        assertEquals("#UD", decode(8, "c4e2759000"), "no SIB");
        assertEquals("#UD", decode(8, "c4e27590c0"), "no memory");
        assertEquals("#UD", decode(4, "67c4e2759004"), "16-bit addresses");
        for (String same : new String[] {"c4e275900400", "c4e275900c10", "c4e26d900410"}) {
            assertEquals("VPGATHERDD 6", decode(8, same));
            assertInstanceOf(SystemNodes.Raise.class, NodeFactory.make(d), same);
        }
    }

    @Test
    void aFormOfAFeatureThatTheModelLacks_isUndefined() {
        features = EnumSet.complementOf(EnumSet.of(CpuFeature.AVX2));
        assertEquals("VPXOR 4", decode(8, "c5f1efc2"));
        assertEquals("#UD", decode(8, "c5f5efc2"), "256 bits");
        features = EnumSet.noneOf(CpuFeature.class);
        assertEquals("#UD", decode(8, "c5f1efc2"));
    }
}
