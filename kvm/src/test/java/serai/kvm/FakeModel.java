package serai.kvm;

import java.util.Map;
import serai.machine.engine.CpuModel;

/** A small CPU: long mode, SSE2, FXSR, XSAVE without AVX. */
final class FakeModel implements CpuModel {
    private final Map<Long, Leaf> leaves;

    FakeModel() {
        leaves = Map.ofEntries(
                leaf(0, 0, 0xd, 0x61726553, 0x5f5f5f5f, 0x5f5f5f69),
                leaf(1, 0, 0x000306c1, 0x800, 1 << 31 | 1 << 26 | 1 << 13, 0x078bfbff),
                leaf(4, 0, 0x121, 0x01c0003f, 63, 0),
                leaf(4, 1, 0x122, 0x01c0003f, 63, 0),
                leaf(7, 0, 0, 0, 0, 0),
                leaf(0xb, 0, 0, 1, 0x100, 0),
                leaf(0xb, 1, 0, 1, 0x201, 0),
                leaf(0xd, 0, 3, 576, 576, 0),
                leaf(0x40000000, 0, 0x40000010, 0x61726553, 0x5f5f5f69, 0x5f5f5f5f),
                leaf(0x40000010, 0, (int) (TSC_HZ / 1000), 0, 0, 0),
                leaf(0x80000000, 0, 0x80000008, 0, 0, 0),
                leaf(0x80000001, 0, 0, 0, 1, 1 << 29 | 1 << 27 | 1 << 20 | 1 << 11),
                leaf(0x80000008, 0, 0x3028, 0, 0, 0));
    }

    private static Map.Entry<Long, Leaf> leaf(int leaf, int sub, int a, int b, int c, int d) {
        return Map.entry(key(leaf, sub), new Leaf(a, b, c, d));
    }

    private static long key(int leaf, int sub) {
        return (long) leaf << 32 | sub;
    }

    @Override
    public String name() {
        return "fake";
    }

    @Override
    public Leaf cpuid(int leaf, int subleaf, int apicId) {
        return leaves.getOrDefault(key(leaf, subleaf), Leaf.NONE);
    }
}
