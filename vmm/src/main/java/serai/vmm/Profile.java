package serai.vmm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import serai.machine.Machine;
import serai.machine.engine.Msr;
import serai.machine.engine.ProfileSink;

/**
 * {@code --profile}: how often each address was sampled, and the table that is made of it. Flat: who called is not known, as the guest's kernel has no
 * frame pointers to follow.
 */
final class Profile implements ProfileSink {
    /** Different addresses at most; samples of others are counted together. */
    static final int ADDRESSES = 1 << 16;

    /** Linux places itself at multiples of this (CONFIG_PHYSICAL_ALIGN), at most so far from where it was linked. */
    private static final long ALIGNMENT = 2 << 20, FARTHEST = 1 << 30;

    private static final String SYSCALL_ENTRY = "entry_SYSCALL_64";
    private static final String OTHERS = "[more addresses than are told apart]";

    private static final class Count {
        private long samples;
        private long inVmm;

        void add(Count other) {
            samples += other.samples;
            inVmm += other.inVmm;
        }
    }

    private record Line(long address, String name) {}

    private final ProfileConfig wanted;
    private final @Nullable Symbols symbols;
    private final Map<Long, Count> counts = new HashMap<>();
    private final Count others = new Count();

    /**
     * Nothing sampled yet.
     *
     * @param symbols names; null if there are none
     */
    Profile(ProfileConfig wanted, @Nullable Symbols symbols) {
        this.wanted = wanted;
        this.symbols = symbols;
    }

    /**
     * Has all vCPUs sampled, if that is wanted.
     *
     * @throws VmmException if the engine or the host can't, the symbols are not good, or there is no place for the file
     */
    static @Nullable Profile start(@Nullable ProfileConfig wanted, Machine machine) throws VmmException {
        if (wanted == null) {
            return null;
        }
        Path directory = wanted.file().toAbsolutePath().getParent();
        if (directory == null || !Files.isWritable(directory) || Files.isDirectory(wanted.file())) {
            // not only at the end of a long run
            throw new VmmException(
                    VmmException.INPUT,
                    "the profile can't be written to %s: no directory for it, or no right to write there"
                            .formatted(wanted.file()));
        }
        Path file = wanted.symbols();
        Profile p = new Profile(wanted, file == null ? null : Symbols.read(file));
        try {
            for (int i = 0; i < machine.cpus(); i++) {
                machine.vcpu(i).profile(p);
            }
        } catch (UnsupportedOperationException e) {
            throw new VmmException(VmmException.HOST, String.valueOf(e.getMessage()), e);
        }
        return p;
    }

    /** Writes the table, when no vCPU runs any more. */
    void end(Machine machine, Console console) throws VmmException {
        Long offset = wanted.offset();
        String table =
                table(offset != null ? offset : offset(machine.vcpu(0).save().msr(Msr.LSTAR, 0)));
        try {
            Files.writeString(wanted.file(), table);
        } catch (IOException e) {
            throw new VmmException(VmmException.HOST, "the profile can't be written: " + Reasons.of(e), e);
        }
        console.say("serai: profile written to %s%n".formatted(wanted.file()));
    }

    @Override
    public synchronized void sample(long linear, boolean translated) {
        Count c = counts.get(linear);
        if (c == null) {
            c = others;
            if (counts.size() < ADDRESSES) {
                c = new Count();
                counts.put(linear, c);
            }
        }
        c.samples++;
        c.inVmm += translated ? 0 : 1;
    }

    /**
     * By how much a guest's Linux lies above where it was linked (KASLR): LSTAR, where system calls go, tells.
     *
     * @param lstar that MSR
     */
    long offset(long lstar) {
        long linked = symbols == null ? 0 : symbols.address(SYSCALL_ENTRY);
        long offset = lstar - linked;
        return linked != 0 && lstar != 0 && offset % ALIGNMENT == 0 && Math.abs(offset) <= FARTHEST ? offset : 0;
    }

    /**
     * The table: a line for each symbol, or page without one, the most frequent first.
     *
     * @param offset what is to be taken from an address to find it among the symbols
     */
    synchronized String table(long offset) {
        Map<Line, Count> lines = new HashMap<>();
        Count all = new Count();
        counts.forEach((address, count) -> {
            lines.computeIfAbsent(line(address, offset), l -> new Count()).add(count);
            all.add(count);
        });
        if (others.samples != 0) {
            lines.put(new Line(0, OTHERS), others);
            all.add(others);
        }
        StringBuilder s = new StringBuilder();
        s.append(String.format(
                Locale.ROOT,
                "# %d samples of the vCPUs' time on the host's processors, %.1f %% of them in the VMM: interpreting, TLB misses, translating, devices%n",
                all.samples,
                percent(all.inVmm, all.samples)));
        s.append("#  share  samples  in VMM  address             symbol, or page\n");
        List<Map.Entry<Line, Count>> sorted = lines.entrySet().stream()
                .sorted(Comparator.comparingLong((Map.Entry<Line, Count> e) -> -e.getValue().samples)
                        .thenComparing(e -> e.getKey().address, Long::compareUnsigned))
                .toList();
        for (Map.Entry<Line, Count> e : sorted) {
            Count c = e.getValue();
            s.append(String.format(
                    Locale.ROOT,
                    "%6.2f %% %8d %5.1f %%  0x%016x  %s%n",
                    percent(c.samples, all.samples),
                    c.samples,
                    percent(c.inVmm, c.samples),
                    e.getKey().address,
                    e.getKey().name));
        }
        return s.toString();
    }

    private static double percent(long part, long whole) {
        return whole == 0 ? 0 : 100.0 * part / whole;
    }

    private Line line(long address, long offset) {
        Symbols.Place p = symbols == null ? null : symbols.at(address - offset);
        return p == null
                ? new Line(address & -4096, address < 0 ? "[kernel]" : "[user]")
                : new Line(p.address() + offset, p.name());
    }
}
