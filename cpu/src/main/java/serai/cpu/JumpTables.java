package serai.cpu;

import java.util.BitSet;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import serai.machine.memory.GuestMemory;

/**
 * The jump tables of a vCPU, one for each TLB, and as many for 32-bit code once there is any: where translated code goes on by linear address, see
 * {@link UnitFlow#entry}. They hold what was looked up, until something that it was derived from changes.
 */
final class JumpTables {
    private static final int TABLES = UnitKind.TABLES;
    private static final int ENTRIES = VcpuContext.JUMP_ENTRIES;
    /** Bytes that an instruction takes at most, rounded up: its last ones may lie in the next page. */
    private static final int LONGEST = 16;

    private final long base;
    private final long miss;
    private final @Nullable Table[] tables = new Table[2 * TABLES];

    private final class Table {
        private final long tags;
        private final long code;

        /** Slots that have been filled since all were emptied; each once. */
        private final int[] filled = new int[ENTRIES];

        private int filledCount;
        private final BitSet isFilled = new BitSet(ENTRIES);
        /** Those that have been filled with what is not global since such were emptied: loads of CR3 are frequent, and most slots are the kernel's. */
        private final int[] local = new int[ENTRIES];

        private int localCount;
        private final BitSet isLocal = new BitSet(ENTRIES);
        private final BitSet global = new BitSet(ENTRIES);
        /** By slot: the number of the physical page. */
        private final int[] pages = new int[ENTRIES];

        Table(int number) {
            tags = base + VcpuContext.jumpTags(number);
            code = base + VcpuContext.jumpCode(number);
            for (int slot = 0; slot < ENTRIES; slot++) {
                empty(slot);
            }
        }

        private void empty(int slot) {
            GuestMemory.putLong(tags + 8L * slot, emptyTag(slot));
            GuestMemory.putLong(code + 8L * slot, miss);
        }

        private void put(long rip, long entry, long page, boolean isGlobal) {
            int slot = slot(rip);
            if (!isFilled.get(slot)) {
                isFilled.set(slot);
                filled[filledCount++] = slot;
            }
            if (!isGlobal && !isLocal.get(slot)) {
                isLocal.set(slot);
                local[localCount++] = slot;
            }
            global.set(slot, isGlobal);
            pages[slot] = (int) page;
            GuestMemory.putLong(code + 8L * slot, entry);
            GuestMemory.putLong(tags + 8L * slot, ~rip);
        }

        private void emptyAll() {
            for (int i = 0; i < filledCount; i++) {
                empty(filled[i]);
            }
            filledCount = 0;
            isFilled.clear();
            localCount = 0;
            isLocal.clear();
        }

        private void emptyLocal() {
            for (int i = 0; i < localCount; i++) {
                int slot = local[i];
                if (!global.get(slot)) {
                    empty(slot);
                }
                isLocal.clear(slot);
            }
            localCount = 0;
        }

        private void emptyPage(int page) {
            for (int i = 0; i < filledCount; i++) {
                if (pages[filled[i]] == page) {
                    empty(filled[i]);
                }
            }
        }

        private void emptyLinear(long page) {
            for (int i = 0; i < filledCount; i++) {
                long rip = ~GuestMemory.getLong(tags + 8L * filled[i]);
                if ((rip ^ page) >>> 12 == 0 || (rip + LONGEST ^ page) >>> 12 == 0) {
                    empty(filled[i]);
                }
            }
        }
    }

    /**
     * Empty ones.
     *
     * @param base of the {@link VcpuContext}
     * @param miss where code for an address that is not known runs
     */
    JumpTables(long base, long miss) {
        this.base = base;
        this.miss = miss;
        make(0);
        GuestMemory.putLong(base + HostFrame.JUMP_MASK, ENTRIES - 1);
    }

    /** Makes the tables for a size of code: all of them, as code goes from one to another. */
    private void make(int first) {
        for (int i = first; i < first + TABLES; i++) {
            tables[i] = new Table(i);
        }
    }

    private Table table(int number) {
        Table t = tables[number];
        if (t == null) {
            make(number / TABLES * TABLES);
            t = Objects.requireNonNull(tables[number]);
        }
        return t;
    }

    /** The entry of an address in a table, as {@link UnitFlow} finds it: its low bits, added to higher ones. */
    private static int slot(long rip) {
        return (int) rip + Integer.rotateRight((int) rip, UnitFlow.JUMP_ROTATION) & ENTRIES - 1;
    }

    /** A tag that no address matches which is looked for in this slot: that of one that belongs into another. */
    private static long emptyTag(int slot) {
        return slot == slot(0) ? ~1L : ~0L;
    }

    /** The entry of the code for an address; 0 if it is not known. */
    long get(int table, long rip) {
        Table t = table(table);
        int slot = slot(rip);
        return GuestMemory.getLong(t.tags + 8L * slot) == ~rip ? GuestMemory.getLong(t.code + 8L * slot) : 0;
    }

    /**
     * Puts one in.
     *
     * @param page number of the physical page
     * @param global whether it lies in global pages alone
     */
    void put(int table, long rip, long entry, long page, boolean global) {
        table(table).put(rip, entry, page, global);
    }

    void emptyAll() {
        forEach(Table::emptyAll);
    }

    /** Takes out what does not lie in global pages. */
    void emptyLocal() {
        forEach(Table::emptyLocal);
    }

    /** Takes out what begins in a physical page. */
    void emptyPage(long page) {
        forEach(t -> t.emptyPage((int) page));
    }

    /** Takes out what lies in a linear page, or reaches into it. */
    void emptyLinear(long page) {
        forEach(t -> t.emptyLinear(page));
    }

    private void forEach(Consumer<Table> action) {
        for (Table t : tables) {
            if (t != null) {
                action.accept(t);
            }
        }
    }
}
