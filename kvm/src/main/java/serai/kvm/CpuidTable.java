package serai.kvm;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuModel;

/** The model's leaves, listed for KVM_SET_CPUID2. */
final class CpuidTable {
    /** KVM takes no more entries. */
    static final int LIMIT = 256;

    /** An entry; {@code indexed} if the leaf has sub-leaves. */
    record Entry(int leaf, int subleaf, boolean indexed, CpuModel.Leaf value) {}

    private CpuidTable() {}

    /** All leaves of the basic, hypervisor and extended ranges, each with the sub-leaves that SDM vol. 2 CPUID defines. */
    static List<Entry> of(CpuModel model, int apicId) {
        List<Entry> table = new ArrayList<>();
        range(table, model, apicId, 0);
        range(table, model, apicId, 0x40000000);
        range(table, model, apicId, 0x80000000);
        if (table.size() > LIMIT) {
            throw new IllegalArgumentException("CPU model %s has %d CPUID leaves, more than the %d KVM takes"
                    .formatted(model.name(), table.size(), LIMIT));
        }
        return table;
    }

    /** The features that a table has. */
    static Set<CpuFeature> features(List<Entry> table) {
        EnumSet<CpuFeature> all = EnumSet.noneOf(CpuFeature.class);
        for (Entry e : table) {
            for (CpuFeature f : CpuFeature.values()) {
                if (f.leaf() == e.leaf && f.subleaf() == e.subleaf && f.in(e.value)) {
                    all.add(f);
                }
            }
        }
        return all;
    }

    private static void range(List<Entry> table, CpuModel model, int apicId, int first) {
        int last = model.cpuid(first, 0, apicId).eax();
        if (Integer.compareUnsigned(last, first) < 0 || last - first > 0x7f) {
            last = first;
        }
        for (int leaf = first; leaf <= last; leaf++) {
            switch (leaf) {
                case 4, 0x8000001d -> { // until a cache of type 0
                    for (int sub = 0;
                            sub < 8
                                    && (sub == 0
                                            || (at(model, leaf, sub - 1, apicId).eax() & 31) != 0);
                            sub++) {
                        add(table, model, leaf, sub, true, apicId);
                    }
                }
                case 7, 0x14 -> { // EAX of sub-leaf 0 is the last
                    int max = Math.clamp(at(model, leaf, 0, apicId).eax(), 0, 8);
                    for (int sub = 0; sub <= max; sub++) {
                        add(table, model, leaf, sub, true, apicId);
                    }
                }
                case 0xb, 0x1f -> { // until a level of type 0
                    for (int sub = 0;
                            sub < 8
                                    && (sub == 0
                                            || (at(model, leaf, sub - 1, apicId).ecx() & 0xff00) != 0);
                            sub++) {
                        add(table, model, leaf, sub, true, apicId);
                    }
                }
                case 0xd -> {
                    for (int sub = 0; sub < 64; sub++) {
                        if (sub < 2 || !at(model, leaf, sub, apicId).equals(CpuModel.Leaf.NONE)) {
                            add(table, model, leaf, sub, true, apicId);
                        }
                    }
                }
                default -> add(table, model, leaf, 0, false, apicId);
            }
        }
    }

    private static CpuModel.Leaf at(CpuModel model, int leaf, int subleaf, int apicId) {
        return model.cpuid(leaf, subleaf, apicId);
    }

    private static void add(List<Entry> table, CpuModel model, int leaf, int sub, boolean indexed, int apicId) {
        table.add(new Entry(leaf, sub, indexed, model.cpuid(leaf, sub, apicId)));
    }
}
