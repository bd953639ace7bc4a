package serai.cpu;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * A random program of 64-bit or 32-bit code: instructions of {@link OracleCases} with their operands' addresses set up before some of them, and
 * between them what single instructions don't have: bounded loops, calls, returns, indirect jumps to known places, stores into the
 * program itself, the program through a second mapping and, in ring 0, changed page tables.
 */
final class LockstepProgram {
    /** A second mapping of the code pages. */
    static final long ALIAS = OracleMemory.CODE + 0x10000;
    /** A third one, by a page of 2 MiB; ring 0 changes it to one by small pages and back. */
    static final long LARGE = OracleMemory.CODE + (2 << 20);

    /** And one at the end of what 32-bit code can address. */
    static final long TOP = (1L << 32) - OracleMemory.CODE_SIZE;

    /** Where 32-bit code of ring 0 finds what is at {@link OracleCpu#SYSTEM}. */
    static final long LOW_SYSTEM = 0x30000000L;

    /** Item number of the end, which every program has. */
    static final int END = 1 << 20;

    /** Where an item refers to another. */
    enum Patch {
        NONE,
        /** One byte, relative to the item's end. */
        REL8,
        /** Four bytes, relative to the item's end. */
        REL32,
        /** An absolute address. */
        ABS32,
        ABS64
    }

    /**
     * An instruction.
     *
     * @param number where in the original program, in steps
     * @param code bytes
     * @param patch whether {@code value} or the address of item {@code target} (if that is not -1), plus {@code value}, goes to {@code at}
     * @param made the case it is from, or null
     * @param tables whether it writes page tables
     */
    record Item(
            int number,
            byte[] code,
            Patch patch,
            int at,
            int target,
            long value,
            @Nullable OracleCase made,
            boolean tables) {}

    /** Whether it is 64-bit code. */
    final boolean wide;

    final boolean kernel;
    /** How far the segment {@link OracleSegments#THREAD} has been moved when FS and GS were loaded with it. */
    final int threadMoved;

    final long codeAt;
    final OracleState before;
    final long dataAt;
    private final List<Item> items;

    LockstepProgram(
            boolean wide,
            boolean kernel,
            int threadMoved,
            long codeAt,
            OracleState before,
            long dataAt,
            List<Item> items) {
        this.wide = wide;
        this.threadMoved = threadMoved;
        this.kernel = kernel;
        this.codeAt = codeAt;
        this.before = before;
        this.dataAt = dataAt;
        this.items = items;
    }

    int size() {
        return items.size();
    }

    /** The selector of its code. */
    int cs() {
        if (wide) {
            return kernel ? OracleSegments.KERNEL_CS : OracleSegments.USER_CS;
        }
        return kernel ? OracleSegments.KERNEL_CS32 : OracleSegments.USER_CS32;
    }

    /** The same without an item; that at the end stays. */
    LockstepProgram without(int index) {
        List<Item> fewer = new ArrayList<>(items);
        fewer.remove(index);
        return new LockstepProgram(wide, kernel, threadMoved, codeAt, before, dataAt, fewer);
    }

    /** Whether each store into the program has the place that was made for it. */
    boolean sound() {
        return items.stream().allMatch(t -> !store(t) || items.get(find(t.target)).number == t.target);
    }

    private boolean store(Item t) {
        return t.made == null && (t.patch == Patch.REL32 || t.patch == Patch.ABS32) && (t.code[0] & 0xfe) == 0xc6;
    }

    /** Whether nothing but the places that are made for it has been written in the code pages. */
    boolean intact(byte[] pages) {
        byte[] want = new byte[OracleMemory.CODE_SIZE];
        Arrays.fill(want, OracleMemory.FILLER);
        byte[] b = bytes();
        int start = (int) (codeAt - OracleMemory.CODE);
        System.arraycopy(b, 0, want, start, b.length);
        int[] at = offsets();
        for (Item t : items) {
            if (store(t)) {
                int i = find(t.target);
                System.arraycopy(pages, start + at[i], want, start + at[i], at[i + 1] - at[i]);
            }
        }
        return Arrays.equals(pages, want);
    }

    /** Whether it loads or reads segment registers: a return from an interrupt makes 0 of a null selector's RPL (SDM vol. 2, IRET). */
    boolean usesSelectors() {
        return items.stream()
                .anyMatch(t -> t.made != null
                        && (t.made.row().mnemonic().matches("POPSR|PUSHSR|L[DEFGS]S")
                                || t.made.row().operands().stream().anyMatch(o -> o.startsWith("S"))));
    }

    /** Whether an interrupt leaves the stack pointer as it is: a return to a stack of 16 bits loads as many (SDM vol. 2, IRET). */
    boolean keepsStackPointer() {
        return wide || OracleSegments.big(before.selector()[CpuRegisters.SS]);
    }

    /** Whether it may change what interrupts need, as ring 0 can. */
    boolean changesTables() {
        return items.stream()
                .anyMatch(t -> t.tables || t.made != null && t.made.row().has("cpl0"));
    }

    Item item(int i) {
        return items.get(i);
    }

    /** Offsets of the items. */
    int[] offsets() {
        int[] at = new int[items.size() + 1];
        for (int i = 0; i < items.size(); i++) {
            at[i + 1] = at[i] + items.get(i).code.length;
        }
        return at;
    }

    private int find(int number) {
        int i = 0;
        while (i < items.size() - 1 && items.get(i).number < number) {
            i++;
        }
        return i;
    }

    byte[] bytes() {
        int[] at = offsets();
        byte[] b = new byte[at[items.size()]];
        for (int i = 0; i < items.size(); i++) {
            Item t = items.get(i);
            System.arraycopy(t.code, 0, b, at[i], t.code.length);
            if (t.patch == Patch.NONE) {
                continue;
            }
            long v = t.value + (t.target < 0 ? 0 : codeAt + at[find(t.target)]);
            long relative = v - (codeAt + at[i + 1]);
            switch (t.patch) {
                case REL8 -> {
                    // what doesn't reach goes to the next one
                    b[at[i] + t.at] = relative == (byte) relative ? (byte) relative : 0;
                }
                case ABS32 -> OracleState.view(b).putInt(at[i] + t.at, (int) v);
                case REL32 -> OracleState.view(b).putInt(at[i] + t.at, (int) relative);
                default -> OracleState.view(b).putLong(at[i] + t.at, v);
            }
        }
        return b;
    }

    @Override
    public String toString() {
        StringBuilder s = new StringBuilder();
        byte[] b = bytes();
        int[] at = offsets();
        for (int i = 0; i < items.size(); i++) {
            Item t = items.get(i);
            s.append("  %#x %s %s%n"
                    .formatted(
                            codeAt + at[i],
                            HexFormat.of().formatHex(b, at[i], at[i + 1]),
                            t.made == null
                                    ? ""
                                    : t.made.row().mnemonic() + " "
                                            + String.join(",", t.made.row().operands())));
        }
        return s.toString();
    }

    // ---- making ----

    /** The same arguments give the same program. */
    static LockstepProgram make(long seed) {
        return new LockstepMaker(new SplittableRandom(seed)).make();
    }
}
