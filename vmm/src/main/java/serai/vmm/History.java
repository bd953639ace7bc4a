package serai.vmm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import serai.machine.Machine;
import serai.machine.MachineState;
import serai.machine.Outcome;
import serai.machine.Schedule;
import serai.machine.engine.CpuState;
import serai.machine.engine.Vcpu;
import serai.machine.engine.Watchpoint;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.vmm.gdb.Stop;

/**
 * The past of a deterministic machine, to go back to.
 *
 * <h2>How it goes back</h2>
 *
 * The position in a run is the count of instructions. Every {@link #INTERVAL} of them a checkpoint is taken: the state of the machine,
 * and from then on what each page of RAM and each block of a disk held before it was first written ({@link UndoLog}). To go back, the logs are
 * written back, the newest first, the state is restored, and the machine runs forward to the moment that is wanted: it does what it did, with
 * the inputs that the {@link serai.machine.InputLog} remembers. What it sends meanwhile was sent before ({@link UndoOutput}). Later
 * checkpoints are given up then, and taken anew as it runs on.
 *
 * <p>Where a run can't do again what it did, as the debugger has changed something or the VMM has loaded a kernel anew, there is a checkpoint
 * right behind, so that no way leads across.
 *
 * <h2>What it costs</h2>
 *
 * A page is copied when it is first written after a checkpoint, and kept as long as that checkpoint. If all of them take more than
 * the budget, some are given up: those close to each other and long ago first, then the oldest, and history begins later.
 */
final class History {
    /** Instructions between checkpoints: tenths of a second to run again. */
    private static final long INTERVAL = 5_000_000;
    /** Whoever goes back will go back again: a checkpoint so many instructions before where that ends. */
    private static final long NEAR = 20_000;

    private static final int MOST = 200;
    private static final int FEWEST = 16;

    /** What the disks need of it. */
    interface Recorder {
        /** Whether the old content of a place is wanted: it is the first write since the last checkpoint. */
        boolean wants(UndoLog.Key key);

        /** Takes it. */
        void keep(UndoLog.Key key, byte[] content);
    }

    /**
     * A moment to go back to.
     *
     * @param state the machine
     * @param random the state of the source of random numbers
     * @param sent by output: {@link UndoOutput#sent}
     * @param inputs {@link Machine#inputs}
     * @param held vCPUs that stand still from here on, as {@link Schedule#held}
     * @param edge whether no run leads here from the checkpoint before
     * @param changed whether that is as the debugger has changed something
     * @param sizes of the disks, in sectors
     * @param undo what was in the places that were written since
     */
    private record Checkpoint(
            MachineState state,
            long at,
            long random,
            List<Long> sent,
            int inputs,
            int held,
            boolean edge,
            boolean changed,
            List<Long> sizes,
            UndoLog undo) {
        Checkpoint with(UndoLog fresh) {
            return new Checkpoint(state, at, random, sent, inputs, held, edge, changed, sizes, fresh);
        }
    }

    /** A break- or watchpoint that was reached on the way: at a count of instructions, the how-manieth there. */
    private record Hit(Stop stop, long at, int nth) {}

    private final Machine machine;
    private final SeededRandom random;
    private final List<UndoDisk> disks;
    private final List<UndoOutput> outputs;
    private final long budget;
    private final BooleanSupplier giveUp;
    private final List<Checkpoint> checkpoints = new ArrayList<>();
    private UndoLog undo = new UndoLog();
    private boolean overflown;
    /** Content is being written back: that is not to be taken back. */
    private boolean goingBack;

    /**
     * None yet; {@link #begin} begins it.
     *
     * @param budget bytes of the host's memory, about
     * @param giveUp whether somebody wants a search to end
     */
    History(Machine machine, SeededRandom random, Parts parts, long budget, BooleanSupplier giveUp) {
        this.machine = machine;
        this.random = random;
        this.disks = parts.disks;
        this.outputs = parts.outputs;
        this.budget = budget;
        this.giveUp = giveUp;
        parts.recorder = new Recorder() {
            @Override
            public boolean wants(UndoLog.Key key) {
                return !overflown && !undo.holds(key);
            }

            @Override
            public void keep(UndoLog.Key key, byte[] content) {
                History.this.keep(key, content);
            }
        };
    }

    /** The disks and outputs that a history takes back; made before it, as the machine is built with them. */
    static final class Parts implements Recorder {
        private final List<UndoDisk> disks = new ArrayList<>();
        private final List<UndoOutput> outputs = new ArrayList<>();
        private @Nullable Recorder recorder;

        serai.machine.disk.Disk disk(serai.machine.disk.Disk d) {
            if (d.readOnly()) {
                return d;
            }
            UndoDisk u = new UndoDisk(d, disks.size() + 1, this);
            disks.add(u);
            return u;
        }

        serai.machine.uart.SerialBackend output(serai.machine.uart.SerialBackend b) {
            UndoOutput u = new UndoOutput(b);
            outputs.add(u);
            return u;
        }

        @Override
        public boolean wants(UndoLog.Key key) {
            Recorder r = recorder;
            return r != null && r.wants(key);
        }

        @Override
        public void keep(UndoLog.Key key, byte[] content) {
            Recorder r = recorder;
            if (r != null) {
                r.keep(key, content);
            }
        }
    }

    // ---- the present ----

    /** History begins now. */
    void begin() {
        GuestMemory memory = machine.memory();
        memory.startDirtyLog();
        memory.onFirstWrite(page -> {
            UndoLog.Key key = new UndoLog.Key(0, page);
            if (!overflown && !goingBack && !undo.holds(key)) {
                keep(key, memory.read(page, UndoLog.SIZE));
            }
        });
        checkpoint(0, true, false);
    }

    /** Nothing is remembered any more. */
    void end() {
        machine.memory().onFirstWrite(page -> {});
        machine.memory().stopDirtyLog();
        checkpoints.clear();
        undo = new UndoLog();
        overflown = true;
    }

    private void keep(UndoLog.Key key, byte[] content) {
        undo.put(key, content);
        if (undo.bytes() > budget) {
            overflown = true; // what was written since the last checkpoint is too much by itself
            checkpoints.clear();
            undo = new UndoLog();
        }
    }

    /** The count of instructions at which the next checkpoint is due. */
    long next() {
        return overflown ? machine.instructions() : checkpoints.getLast().at + INTERVAL;
    }

    /** Takes a checkpoint if it is due. Between two runs. */
    void passing() {
        if (machine.instructions() >= next()) {
            checkpoint(held(), checkpoints.isEmpty(), false);
        }
    }

    /** The VMM has done something to the machine that a run from before would not do. */
    void edge() {
        checkpoint(0, true, false);
    }

    /**
     * The debugger has changed something, or lets only some vCPUs run from here on. What came after this moment, if it has gone back to it, is
     * void.
     */
    void changed(int held) {
        machine.forgetInputs(
                machine.inputs(),
                machine.instructions(),
                machine.timers().clock().nanos());
        outputs.forEach(o -> o.forgetAfter(o.sent()));
        checkpoint(held, true, true);
    }

    /** The vCPUs that stand still in the run that leads on from here. */
    int held() {
        return checkpoints.isEmpty() ? 0 : checkpoints.getLast().held;
    }

    private void checkpoint(int held, boolean edge, boolean changed) {
        MachineState s = machine.save();
        overflown = false;
        undo = new UndoLog();
        checkpoints.add(new Checkpoint(
                s,
                machine.instructions(),
                random.state(),
                outputs.stream().map(UndoOutput::sent).toList(),
                machine.inputs(),
                held,
                edge,
                changed,
                sizes(),
                undo));
        log();
        thin();
    }

    /** All of RAM counts as not written; nobody has a permission to write that he need not ask for. */
    private void log() {
        machine.memory().startDirtyLog();
        for (int i = 0; i < machine.cpus(); i++) {
            Vcpu v = machine.vcpu(i);
            v.restore(v.save()); // empties its TLB
        }
    }

    private void thin() {
        long bytes = checkpoints.stream().mapToLong(c -> c.undo.bytes()).sum();
        while (checkpoints.size() > MOST || bytes > budget && checkpoints.size() > 1) {
            int least = checkpoints.size() > FEWEST ? leastUseful() : 0;
            Checkpoint gone = checkpoints.remove(least);
            bytes -= gone.undo.bytes();
            if (least > 0) {
                UndoLog before = checkpoints.get(least - 1).undo;
                bytes -= before.bytes();
                before.append(gone.undo);
                bytes += before.bytes();
            }
        }
    }

    /** The checkpoint whose loss makes the smallest gap for its age; 0 if none can be spared. */
    private int leastUseful() {
        long now = machine.instructions();
        int best = 0;
        double bestScore = Double.MAX_VALUE;
        for (int i = 1; i < checkpoints.size() - 1; i++) {
            Checkpoint c = checkpoints.get(i);
            double gap = checkpoints.get(i + 1).at - checkpoints.get(i - 1).at;
            double score = gap / (now - c.at + 1);
            if (!c.edge && score < bestScore) {
                best = i;
                bestScore = score;
            }
        }
        return best;
    }

    /** How far back it goes, in words. */
    String describe() {
        long bytes = checkpoints.stream().mapToLong(c -> c.undo.bytes()).sum();
        int first = oldest();
        int n = checkpoints.size() - first;
        return n == 0
                ? "no checkpoint at %d instructions%n".formatted(machine.instructions())
                : "%d checkpoint%s from %d instructions on, now %d; %d KiB%n"
                        .formatted(
                                n, n == 1 ? "" : "s", checkpoints.get(first).at, machine.instructions(), bytes >> 10);
    }

    // ---- back ----

    /** Takes the machine back to a checkpoint; those after it are gone. */
    private void back(int index) {
        Checkpoint voided = null;
        goingBack = true;
        PluggableRam pluggable = machine.memory().pluggable();
        if (pluggable != null) {
            pluggable.plugAll(); // what was unplugged since is filled again; the state says which blocks are plugged
        }
        try {
            for (int i = checkpoints.size() - 1; i > index; i--) {
                Checkpoint c = checkpoints.remove(i);
                undo(c.undo);
                voided = c.changed ? c : voided;
            }
            undo(checkpoints.get(index).undo);
            undo = new UndoLog();
            machine.memory().startDirtyLog();
            machine.rewind(checkpoints.get(index).state, checkpoints.get(index).inputs); // empties the TLBs
        } finally {
            goingBack = false;
        }
        Checkpoint c = checkpoints.get(index).with(undo);
        checkpoints.set(index, c);
        random.state(c.random);
        if (voided != null) {
            // the debugger's doing: what came of it does not come again
            machine.forgetInputs(voided.inputs, voided.at, voided.state.clockNanos());
            forEachOutput(voided, UndoOutput::forgetAfter);
        }
        forEachOutput(c, UndoOutput::back);
    }

    private interface OutputAction {
        void at(UndoOutput o, long sent);
    }

    private void forEachOutput(Checkpoint c, OutputAction action) {
        for (int i = 0; i < outputs.size(); i++) {
            action.at(outputs.get(i), c.sent.get(i));
        }
    }

    private void undo(UndoLog log) {
        log.forEach((key, content) -> {
            if (key.place() == 0) {
                machine.memory().write(key.offset(), content);
            } else {
                try {
                    disks.get(key.place() - 1).undo(key.offset(), content);
                } catch (IOException e) {
                    throw new UncheckedIOException("a disk could not be taken back: " + Reasons.of(e), e);
                }
            }
        });
    }

    /** Whether a state is of this machine as it is now: plugging a device in or out, or resizing a disk, can't be taken back. */
    private boolean fits(Checkpoint c) {
        return machine.fits(c.state) && c.sizes.equals(sizes());
    }

    private List<Long> sizes() {
        return disks.stream().map(UndoDisk::sectors).toList();
    }

    /** The oldest checkpoint that can be gone back to. */
    private int oldest() {
        int i = checkpoints.size();
        while (i > 0 && fits(checkpoints.get(i - 1))) {
            i--;
        }
        return i;
    }

    /** One instruction of a vCPU back: to where the one before it was completed. */
    Stop stepBack(int cpu) {
        int first = oldest();
        if (first == checkpoints.size()) {
            return Stop.historyBegins(cpu);
        }
        long target = machine.vcpu(cpu).instructions() - 1;
        int from = checkpoints.size() - 1;
        // with several vCPUs a checkpoint with the same count may lie behind what others did since
        while (from > first && count(from, cpu) >= target + (machine.cpus() == 1 ? 1 : 0)) {
            from--;
        }
        back(from);
        if (machine.vcpu(cpu).instructions() > target) {
            return Stop.historyBegins(cpu);
        }
        Schedule all = new Schedule(held(), -1);
        if (machine.cpus() == 1) {
            near(target);
        }
        Vcpu v = machine.vcpu(cpu);
        long left;
        while ((left = target - v.instructions()) > 0) {
            if (giveUp.getAsBoolean()) {
                return Stop.signal(cpu, Stop.SIGINT);
            }
            Outcome o = left == 1
                    ? machine.run(Long.MAX_VALUE, new Schedule(all.held(), cpu))
                    : machine.run(machine.instructions() + left, all);
            if (!pass(o)) {
                break;
            }
        }
        forgetHits();
        return Stop.signal(cpu, Stop.SIGTRAP);
    }

    private long count(int checkpoint, int cpu) {
        CpuState s = checkpoints.get(checkpoint).state.cpus().get(cpu);
        return s.instructions();
    }

    /** A checkpoint shortly before a target that is far from the last. */
    private void near(long target) {
        if (target - machine.instructions() > 2 * NEAR && quietly(target - NEAR)) {
            checkpoint(held(), false, false);
        }
    }

    /** Runs to a count of instructions and stops nowhere; false if it did not come there. */
    private boolean quietly(long until) {
        while (machine.instructions() < until) {
            if (giveUp.getAsBoolean() || !pass(machine.run(until, new Schedule(held(), -1)))) {
                return false;
            }
        }
        forgetHits();
        return true;
    }

    /** Whether the run can go on from here: it has come to a stand at a break- or watchpoint at most, which is passed. */
    private boolean pass(Outcome o) {
        if (o instanceof Outcome.Breakpoint(int cpu)) {
            if (machine.vcpu(cpu).watchpointHit() == null) {
                machine.vcpu(cpu).passBreakpoint();
            }
            return true;
        }
        return o instanceof Outcome.Stopped;
    }

    private void forgetHits() {
        for (int i = 0; i < machine.cpus(); i++) {
            machine.vcpu(i).watchpointHit();
        }
    }

    /**
     * Back to the last break- or watchpoint before now.
     *
     * @param cpu the vCPU that the debugger looks at
     * @param now what it was told last
     */
    Stop runBack(int cpu, Stop now) {
        int first = oldest();
        if (first == checkpoints.size()) {
            return Stop.historyBegins(cpu);
        }
        long end = machine.instructions();
        long rip = machine.vcpu(now.cpu()).save().rip();
        boolean last = now.cause() == Stop.Cause.BREAKPOINT;
        for (int i = checkpoints.size() - 1; i >= first; i--) {
            back(i);
            Hit hit = search(end, last ? now : null, rip);
            if (giveUp.getAsBoolean()) {
                back(i);
                return Stop.signal(cpu, Stop.SIGINT);
            }
            if (hit != null) {
                back(i);
                return go(hit);
            }
            end = checkpoints.get(i).at;
            last = false;
        }
        back(first);
        return Stop.historyBegins(cpu);
    }

    /**
     * The last hit before {@code end}, in a run from here.
     *
     * @param now the breakpoint at {@code end} that is not before it, if there is one
     * @param rip where its vCPU stands
     */
    private @Nullable Hit search(long end, @Nullable Stop now, long rip) {
        Hit found = null;
        Schedule schedule = new Schedule(held(), -1);
        int nth = 0;
        long at = -1;
        Hit tentative = null; // at the very end, before what is there now
        while (!giveUp.getAsBoolean()) {
            boolean beyond = machine.instructions() >= end;
            if (beyond && now == null) {
                break;
            }
            Outcome o = machine.run(beyond ? end + 1 : end, schedule);
            long count = machine.instructions();
            if (count > end) {
                break;
            }
            if (!(o instanceof Outcome.Breakpoint(int cpu))) {
                if (o instanceof Outcome.Stopped && count <= end) {
                    Hit late = late(count);
                    found = late == null ? found : late;
                    continue;
                }
                break;
            }
            Watchpoint w = machine.vcpu(cpu).watchpointHit();
            if (w != null) {
                found = new Hit(Stop.watchpoint(cpu, w), count - 1, 0);
                continue;
            }
            nth = count == at ? nth + 1 : 0;
            at = count;
            if (count < end) {
                found = new Hit(Stop.breakpoint(cpu), count, nth);
            } else if (now != null
                    && cpu == now.cpu()
                    && machine.vcpu(cpu).save().rip() == rip) {
                found = tentative == null ? found : tentative;
                break;
            } else {
                tentative = new Hit(Stop.breakpoint(cpu), count, nth);
            }
            machine.vcpu(cpu).passBreakpoint();
        }
        forgetHits();
        return found;
    }

    /** A watchpoint that was hit by the last instruction of a run. */
    private @Nullable Hit late(long count) {
        Hit found = null;
        for (int i = 0; i < machine.cpus(); i++) {
            Watchpoint w = machine.vcpu(i).watchpointHit();
            if (w != null) {
                found = new Hit(Stop.watchpoint(i, w), count - 1, 0);
            }
        }
        return found;
    }

    /** To a hit that a run from here reaches. A watchpoint is told of before the instruction that does it, as time goes backwards. */
    private Stop go(Hit hit) {
        near(hit.at);
        quietly(hit.at);
        if (hit.stop.cause() == Stop.Cause.BREAKPOINT) {
            for (int i = 0; i <= hit.nth && machine.instructions() == hit.at; i++) {
                Outcome o = machine.run(hit.at + 1, new Schedule(held(), -1));
                if (i < hit.nth && !pass(o)) {
                    break;
                }
            }
        }
        return hit.stop;
    }
}
