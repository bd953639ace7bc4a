package serai.machine.cpuid;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuModel;
import serai.machine.engine.CpuModel.Leaf;

/** By SDM vol. 2, CPUID. */
class X86ModelTest {
    private final CpuModel model = X86Model.v1(1);

    private Leaf leaf(int n) {
        return model.cpuid(n, 0, 0);
    }

    private static String text(int... words) {
        ByteBuffer b = ByteBuffer.allocate(words.length * 4).order(ByteOrder.LITTLE_ENDIAN);
        for (int w : words) {
            b.putInt(w);
        }
        return new String(b.array(), StandardCharsets.US_ASCII);
    }

    @Test
    void leaf0_vendorAndHighestLeaf() {
        Leaf l = leaf(0);
        assertEquals("GenuineIntel", text(l.ebx(), l.edx(), l.ecx()));
        assertTrue(l.eax() >= 0x16);
    }

    @Test
    void leaf1_family6AndTheBaselineOfX8664() {
        Leaf l = leaf(1);
        assertEquals(6, l.eax() >>> 8 & 15);
        // FPU TSC MSR PAE CX8 APIC SEP PGE CMOV PAT CLFSH MMX FXSR SSE SSE2
        for (int bit : new int[] {0, 4, 5, 6, 8, 9, 11, 13, 15, 16, 19, 23, 24, 25, 26}) {
            assertTrue((l.edx() >>> bit & 1) != 0, "edx " + bit);
        }
        // x2APIC, TSC deadline, hypervisor
        for (int bit : new int[] {21, 24, 31}) {
            assertTrue((l.ecx() >>> bit & 1) != 0, "ecx " + bit);
        }
        assertEquals(0, l.ecx() & (1 << 26 | 1 << 27 | 1 << 28 | 1 << 30), "no XSAVE, AVX, RDRAND");
        // MTRRs, and PSE-36 for 4-MiB pages past 4 GiB
        assertEquals(1 << 12 | 1 << 17, l.edx() & (1 << 12 | 1 << 17));
    }

    @Test
    void leaf1_initialApicId() {
        assertEquals(5, X86Model.v1(8).cpuid(1, 0, 5).ebx() >>> 24);
    }

    @Test
    void leaf15And16_theClock() {
        Leaf l = leaf(0x15);
        assertEquals(CpuModel.APIC_HZ, l.ecx(), "the crystal is what the APIC timer counts");
        assertEquals(CpuModel.TSC_HZ, (long) l.ecx() * l.ebx() / l.eax());
        assertEquals(CpuModel.TSC_HZ / 1_000_000, leaf(0x16).eax());
        assertTrue((leaf(0x80000007).edx() & 1 << 8) != 0, "invariant TSC");
        assertTrue((leaf(6).eax() & 1 << 2) != 0, "the APIC timer always runs");
    }

    @Test
    void hypervisorLeaves() {
        Leaf l = leaf(0x40000000);
        assertEquals("SeraiSerai\0\0", text(l.ebx(), l.ecx(), l.edx()));
        assertEquals(0x40000010, l.eax());
        assertEquals(CpuModel.TSC_HZ / 1000, leaf(0x40000010).eax());
        assertEquals(CpuModel.APIC_HZ / 1000, leaf(0x40000010).ebx());
    }

    @Test
    void leafB_findsEveryApicId() {
        CpuModel four = X86Model.v1(4);
        for (int id = 0; id < 4; id++) {
            assertEquals(id, four.cpuid(0xb, 0, id).edx());
            assertEquals(4, four.cpuid(0xb, 1, id).ebx());
            assertEquals(2, four.cpuid(0xb, 1, id).eax(), "bits of the id below the package");
            assertEquals(0, four.cpuid(0xb, 2, id).ebx());
        }
    }

    @Test
    void leaf4_cachesEndWithNone() {
        int[] types = {1, 2, 3, 0};
        for (int i = 0; i < types.length; i++) {
            assertEquals(types[i], model.cpuid(4, i, 0).eax() & 31);
        }
        Leaf l1 = model.cpuid(4, 0, 0);
        long bytes =
                ((l1.ebx() >>> 22) + 1L) * ((l1.ebx() >>> 12 & 0x3ff) + 1) * ((l1.ebx() & 0xfff) + 1) * (l1.ecx() + 1);
        assertEquals(32 << 10, bytes);
    }

    @Test
    void extendedLeaves() {
        assertEquals(0x80000008, leaf(0x80000000).eax());
        assertEquals(
                1 << 29 | 1 << 27 | 1 << 26 | 1 << 20 | 1 << 11,
                leaf(0x80000001).edx());
        String brand = "";
        for (int n = 0x80000002; n <= 0x80000004; n++) {
            Leaf l = leaf(n);
            brand += text(l.eax(), l.ebx(), l.ecx(), l.edx());
        }
        assertEquals("Serai virtual CPU", brand.replace("\0", ""));
        assertEquals(48 << 8 | 40, leaf(0x80000008).eax());
    }

    @Test
    void unknownLeaves_areZero() {
        assertEquals(Leaf.NONE, leaf(0x14));
        assertEquals(Leaf.NONE, model.cpuid(7, 1, 0));
        assertEquals(Leaf.NONE, leaf(0x12345678));
    }

    @Test
    void v2_hasTheLevelsFeatures() {
        Leaf l = X86Model.v2(1).cpuid(1, 0, 0);
        // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT
        for (int bit : new int[] {0, 9, 13, 19, 20, 23}) {
            assertTrue((l.ecx() >>> bit & 1) != 0, "ecx " + bit);
        }
        assertEquals(0, l.ecx() & (1 << 12 | 1 << 26 | 1 << 27 | 1 << 28 | 1 << 29), "no FMA, XSAVE, AVX, F16C");
        assertEquals(1, X86Model.v2(1).cpuid(0x80000001, 0, 0).ecx() & 1, "LAHF");
        EnumSet<CpuFeature> beyond = EnumSet.of(
                CpuFeature.XSAVE,
                CpuFeature.XSAVEOPT,
                CpuFeature.XSAVEC,
                CpuFeature.XGETBV1,
                CpuFeature.AVX,
                CpuFeature.AVX2,
                CpuFeature.FMA,
                CpuFeature.F16C);
        assertEquals(EnumSet.complementOf(beyond), CpuFeature.of(X86Model.v2(1)));
    }

    @Test
    void v3_hasAllThereIs_andTellsTheExtendedState() {
        X86Model v3 = X86Model.v3(1);
        assertEquals(EnumSet.allOf(CpuFeature.class), CpuFeature.of(v3));
        assertEquals(new Leaf(7, 576, 832, 0), v3.cpuid(0xd, 0, 0));
        assertEquals(7, v3.cpuid(0xd, 1, 0).eax(), "XSAVEOPT, XSAVEC, XGETBV with ECX = 1");
        assertEquals(new Leaf(256, 576, 0, 0), v3.cpuid(0xd, 2, 0));
        assertEquals(0, v3.cpuid(1, 0, 0).ecx() & 1 << 27, "OSXSAVE follows CR4");
        assertEquals(Leaf.NONE, X86Model.v2(1).cpuid(0xd, 0, 0));
        assertThrows(IllegalArgumentException.class, () -> X86Model.named("x86-64-v3,-bmi2", 1));
        assertEquals(
                "x86-64-v3,-sha,-xsavec",
                X86Model.named("x86-64-v3,-xsavec,-sha", 1).name());
    }

    @Test
    void v1_hasNothingBeyondItsLevel() {
        assertEquals(Set.of(), X86Model.v1(1).without(X86Model.v1(1).optional()).optional());
        assertEquals(0, leaf(7).ebx() & ~(1 << 1 | 1 << 13));
        assertEquals(1, leaf(0x80000001).ecx());
    }

    @Test
    void name_tellsWhatWasTakenAway() {
        X86Model m = X86Model.v2(1).without(EnumSet.of(CpuFeature.SHA, CpuFeature.RDPID));
        assertEquals("x86-64-v2,-sha,-rdpid", m.name());
        assertEquals(0, m.cpuid(7, 0, 0).ebx() & 1 << 29);
        X86Model again = X86Model.named(m.name(), 1);
        assertEquals(m.name(), again.name());
        assertEquals(m.cpuid(7, 0, 0), again.cpuid(7, 0, 0));
        assertEquals("x86-64-v1", X86Model.named("x86-64-v1", 1).name());
    }

    @Test
    void name_refusesWhatTheLevelIsMadeOf() {
        for (String bad :
                new String[] {"x86-64-v2,-popcnt", "x86-64-v2,sha", "x86-64-v2,", "x86-64-v1,-sha", "v2", ""}) {
            assertThrows(IllegalArgumentException.class, () -> X86Model.named(bad, 1), bad);
        }
    }
}
