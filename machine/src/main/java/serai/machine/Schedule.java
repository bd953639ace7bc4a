package serai.machine;

/**
 * Which vCPUs a run is for, as a debugger asks.
 *
 * @param held a bit for each vCPU that stands still; not all of them
 * @param stepping the vCPU after whose next instruction the run ends, or -1
 */
public record Schedule(int held, int stepping) {
    /** All run, until something ends it. */
    public static final Schedule ALL = new Schedule(0, -1);

    /** Whether the vCPU of an index stands still. */
    public boolean holds(int index) {
        return (held >>> index & 1) != 0;
    }

    /** Checked against a machine of so many vCPUs. */
    Schedule in(int cpus) {
        int all = (1 << cpus) - 1;
        if ((held & all) == all || stepping >= cpus || stepping >= 0 && holds(stepping)) {
            throw new IllegalArgumentException("a run of no vCPU");
        }
        return this;
    }
}
