package serai.cpu;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Objects;
import java.util.SplittableRandom;
import serai.machine.engine.Exit;

/**
 * Runs programs in two guests, interpreted and translated, and compares all of the guests' state and memory wherever they stop: at
 * a HLT, a fault, the program's end. After a stop they go on with the next instruction.
 */
final class Lockstep implements AutoCloseable {
    /** Instructions between two stops at most: what doesn't end by then is not compared further. */
    private static final int BUDGET = 4_000;

    private static final int STOPS = 40;
    private static final long PATIENCE = 10_000_000_000L;
    private static final long NONE = Long.MAX_VALUE;

    private final LockstepTimer timer = new LockstepTimer();
    private final LockstepGuest interpreted =
            new LockstepGuest(new OracleCpu.Quiet(), TranslationMode.OFF, CpuGroup.CODE_SIZE);
    private final LockstepGuest translated;
    private volatile long since = NONE;
    private volatile String running = "";
    private final Thread watchdog = new Thread(this::watch, "lockstep-watchdog");

    long programs;
    long instructions;
    long stops;
    long endless;
    long overwritten;

    /** Of a translator with so many bytes of memory for code. */
    Lockstep(long codeSize) {
        translated = new LockstepGuest(timer, TranslationMode.ON, codeSize);
        watchdog.setDaemon(true);
        watchdog.start();
    }

    /** Ends a translated run that the interpreter has ended long ago. */
    private void watch() {
        while (!Thread.currentThread().isInterrupted()) {
            try {
                Thread.sleep(100);
            } catch (InterruptedException e) {
                return;
            }
            long late = System.nanoTime() - since;
            if (since != NONE && late > PATIENCE) {
                translated.cpu.kick();
                if (late > 3 * PATIENCE) {
                    System.err.println("does not even end when kicked: " + running);
                }
            }
        }
    }

    @Override
    public void close() {
        watchdog.interrupt();
        timer.close();
    }

    /** Units of code that were translated. */
    long units() {
        return counted("units");
    }

    /** Times that code memory was used up. */
    long evictions() {
        return counted("code-evictions");
    }

    /** Regions of code memory that were given back. */
    long idleEvictions() {
        return counted("code-evictions-idle");
    }

    private long counted(String what) {
        return Objects.requireNonNull(translated.cpu.stats().exits().get(what));
    }

    /** Runs the program of a seed: what differs, or the empty string. */
    String run(long seed) {
        LockstepProgram p = LockstepProgram.make(seed);
        programs++;
        String difference = run(p, seed);
        if (difference.isEmpty()) {
            return "";
        }
        // leave out what the difference doesn't need
        for (boolean shorter = true; shorter; ) {
            shorter = false;
            for (int i = p.size() - 2; i >= 0; i--) {
                LockstepProgram q = p.without(i);
                String d = q.sound() ? run(q, seed) : "";
                if (!d.isEmpty()) {
                    p = q;
                    difference = d;
                    shorter = true;
                }
            }
        }
        return "seed %d, %s, %d bits%n%s%s%s"
                .formatted(seed, p.kernel ? "ring 0" : "ring 3", p.wide ? 64 : 32, registers(p), p, difference);
    }

    private static String registers(LockstepProgram p) {
        StringBuilder s = new StringBuilder("  before:");
        for (int i = 0; i < 16; i++) {
            s.append(" r%d=%#x".formatted(i, p.before.gpr()[i]));
        }
        return s.append(" rflags=%#x mxcsr=%#x%n"
                        .formatted(
                                p.before.rflags(),
                                OracleState.view(p.before.xs()).getInt(24)))
                .toString();
    }

    private String run(LockstepProgram p, long seed) {
        SplittableRandom random = new SplittableRandom(~seed);
        // what ring 0 may have done to the tables makes an interrupt something else
        boolean interrupts = !p.changesTables() && !p.usesSelectors() && p.keepsStackPointer() && random.nextBoolean();
        interpreted.load(p);
        translated.load(p);
        int[] at = p.offsets();
        for (int stop = 0; stop < STOPS; stop++) {
            long before = interpreted.cpu.instructions();
            LockstepGuest.Stop want = interpreted.run(BUDGET);
            instructions += interpreted.cpu.instructions() - before;
            stops++;
            if (want.exit() == Exit.BUDGET) {
                endless++;
                return "";
            }
            if (want.exit() == Exit.FAILED) {
                return "    interpreter: " + interpreted.cpu.failure() + "\n";
            }
            if (!p.intact(interpreted.code())) {
                // wild stores made other instructions of it, whose results may be undefined
                overwritten++;
                return "";
            }
            if (seed % 64 == 0) {
                translated.trim(); // as if it had been idle
            }
            running = "seed " + seed;
            since = System.nanoTime();
            timer.arm(interrupts);
            LockstepGuest.Stop got = translated.run(Long.MAX_VALUE);
            timer.arm(false);
            since = NONE;
            interpreted.clearStack();
            translated.clearStack();
            String difference = interpreted.difference(translated);
            if (!difference.isEmpty() || !want.equals(got)) {
                return difference
                        + "    after %d stops: interpreted %s, translated %s %s%n"
                                .formatted(stop, want, got, got.exit() == Exit.FAILED ? translated.cpu.failure() : "");
            }
            boolean own = want.cs() == p.cs();
            boolean through = want.exit() != Exit.HALTED_FOR_EVER && want.exit() != Exit.HALTED
                    || want.vector() == OracleCpu.INT80
                    || !own;
            if (through) {
                return "";
            }
            if (random.nextInt(8) == 0) {
                interpreted.saveAndRestore(); // its TLB may be stale, too, and goes
                translated.saveAndRestore();
            }
            int next = 0;
            while (next < p.size() && p.codeAt + at[next] <= want.rip()) {
                next++;
            }
            if (next >= p.size()) {
                next = random.nextInt(p.size());
            }
            OracleCase made = p.item(next).made();
            long[] registers =
                    made != null && random.nextBoolean() ? made.before().gpr() : new long[0];
            interpreted.resume(p, want, p.codeAt + at[next], registers);
            translated.resume(p, want, p.codeAt + at[next], registers);
        }
        return "";
    }

    /** What was done. */
    @Override
    public String toString() {
        return "%d programs, %d instructions, %d stops compared, %d cut for not ending, %d for overwriting themselves, %d interrupts, %d units, %d evictions"
                .formatted(programs, instructions, stops, endless, overwritten, timer.taken, units(), evictions());
    }

    /** Where the seed that runs is written for whoever looks after a crash of the JVM. */
    private static MemorySegment last() {
        String file = System.getProperty("serai.lockstep.last");
        if (file == null) {
            return Arena.global().allocate(8);
        }
        try (FileChannel c = FileChannel.open(
                Path.of(file), StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE)) {
            return c.map(FileChannel.MapMode.READ_WRITE, 0, 8, Arena.global());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** {@code SECONDS [SEED [PROGRAMS]]}: prints each difference. */
    public static void main(String[] args) {
        long seconds = Long.parseLong(args[0]);
        long seed = args.length > 1 ? Long.parseLong(args[1]) : System.nanoTime();
        long programs = args.length > 2 ? Long.parseLong(args[2]) : Long.MAX_VALUE;
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        int differences = 0;
        System.out.println("seed " + seed);
        MemorySegment last = last();
        try (Lockstep l = new Lockstep(Long.getLong("serai.translate.bytes", CpuGroup.CODE_SIZE))) {
            for (long i = 0; i < programs && System.nanoTime() < end; i++) {
                last.set(ValueLayout.JAVA_LONG, 0, seed + i);
                String d;
                try {
                    d = l.run(seed + i);
                } catch (RuntimeException e) {
                    d = "seed " + (seed + i) + " " + e + " " + Arrays.toString(e.getStackTrace()) + "\n";
                }
                if (!d.isEmpty()) {
                    differences++;
                    System.out.println(d);
                }
            }
            System.out.println(l + ", " + differences + " differences");
        }
    }
}
