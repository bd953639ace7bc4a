package serai.cpu;

import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/**
 * Why translated code was left, for {@code --stats}: by cause and instruction, and the guest addresses where it happens most.
 *
 * <p>Counting an exit is two increments. Of the addresses every {@value #EVERY}th is looked at, and kept in a table in which the frequent
 * ones drive out the others (Misra and Gries 1982, with one counter a slot).
 */
final class ExitCounts {
    /** What the interpreter ran because it alone does it. */
    static final int INSTRUCTION = 0;
    /** Operands that translated code leaves to the interpreter: a division that may fault, a string that goes downwards. */
    static final int OPERANDS = 1;
    /** An access to what the TLB didn't have: a miss, a device, a code page, a page crossing, a fault. */
    static final int ACCESS = 2;
    /** A target that was not in the jump table. */
    static final int JUMP = 3;
    /** A jump within a page that had not been linked. */
    static final int LINK = 4;
    /** Something was to be done before the next unit. */
    static final int POLL = 5;

    private static final String[] CAUSES = {"instruction", "operands", "access", "jump", "link", "poll"};
    private static final int ROWS = InstructionTable.INSTANCE.rows().size();
    private static final int SLOTS = 1 << 10;
    private static final int EVERY = 31;
    private static final int SITES = 12;
    /** What has fewer than one in so many of all exits is told together with others. */
    private static final int FEW = 200;

    private final long[] byRow = new long[3 * ROWS];
    private final long[] byCause = new long[CAUSES.length];
    private final long[] address = new long[SLOTS];
    private final long[] seen = new long[SLOTS];
    private int skipped;

    /** An exit at {@code rip}. */
    void count(int cause, long rip) {
        byCause[cause]++;
        if (++skipped == EVERY) {
            skipped = 0;
            int slot = (int) (rip ^ rip >>> 12) & SLOTS - 1;
            if (address[slot] == rip) {
                seen[slot]++;
            } else if (--seen[slot] < 0) {
                address[slot] = rip;
                seen[slot] = 1;
            }
        }
    }

    /** The same, for an instruction: {@link #INSTRUCTION} to {@link #ACCESS}. */
    void count(int cause, int row, long rip) {
        byRow[cause * ROWS + row]++;
        count(cause, rip);
    }

    /** The counts by name; of the instructions the frequent ones. */
    Map<String, Long> report() {
        Map<String, Long> all = new TreeMap<>();
        long few = Arrays.stream(byCause).sum() / FEW;
        for (int cause = 0; cause < CAUSES.length; cause++) {
            all.put("exit-" + CAUSES[cause], byCause[cause]);
        }
        for (int i = 0; i < byRow.length; i++) {
            if (byRow[i] > few) {
                InstructionRow row = InstructionTable.INSTANCE.rows().get(i % ROWS);
                String name = "exit-" + CAUSES[i / ROWS] + " " + row.mnemonic();
                all.merge(
                        row.operands().isEmpty() ? name : name + " " + String.join(",", row.operands()),
                        byRow[i],
                        Long::sum);
            }
        }
        long[] most = seen.clone();
        Arrays.sort(most);
        long least = Math.max(1, most[SLOTS - SITES]);
        for (int i = 0; i < SLOTS; i++) {
            if (seen[i] >= least) {
                all.put("exit-site %#x".formatted(address[i]), seen[i] * EVERY);
            }
        }
        return all;
    }
}
