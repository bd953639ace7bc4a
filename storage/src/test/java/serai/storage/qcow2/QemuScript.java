package serai.storage.qcow2;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;

/** Commands for qemu-io at random, and what the disk is after them. */
final class QemuScript {
    /** The file from which qemu-io takes what can't be compressed. */
    static final String NOISE = "../noise";

    private final Combination c;
    private final DiskModel model;
    private final byte[] noise;
    private final Random random;
    private final List<String> commands = new ArrayList<>();

    QemuScript(Combination c, DiskModel model, byte[] noise, Random random) {
        this.c = c;
        this.model = model;
        this.noise = noise;
        this.random = random;
    }

    List<String> commands() {
        return commands;
    }

    /**
     * Adds compressed clusters, of a new disk: QEMU writes none where something is allocated, and when clusters have been given free before,
     * QEMU 7.2 may write them over those of others.
     */
    QemuScript compressed(int count) {
        int clusters = Math.ceilDiv(model.size(), c.cluster());
        BitSet written = new BitSet();
        for (int i = 0; i < count; i++) {
            int cluster = random.nextInt(clusters);
            if (!written.get(cluster)) {
                written.set(cluster);
                int at = cluster * c.cluster();
                int n = Math.min(model.size() - at, c.cluster());
                int pattern = random.nextInt(256);
                add("write -q -c -P %d %d %d", pattern, at, n);
                model.fill(at, n, pattern);
            }
        }
        return this;
    }

    /** Adds some requests. */
    QemuScript requests(int count) {
        for (int i = 0; i < count; i++) {
            request();
        }
        return this;
    }

    private void request() {
        int[] place = place(random, model.size(), c.cluster());
        int at = place[0];
        int length = place[1];
        switch (random.nextInt(7)) {
            case 0, 1 -> {
                int pattern = random.nextInt(256);
                add("write -q -P %d %d %d", pattern, at, length);
                model.fill(at, length, pattern);
            }
            case 2, 3 -> {
                add("write -q -s %s %d %d", NOISE, at, length);
                byte[] data = new byte[length];
                for (int i = 0; i < length; i += noise.length) {
                    System.arraycopy(noise, 0, data, i, Math.min(noise.length, length - i));
                }
                model.write(at, data);
            }
            case 4 -> {
                add("write -q -z %s%d %d", random.nextBoolean() ? "-u " : "", at, length);
                model.fill(at, length, 0);
            }
            case 5 -> {
                add("discard -q %d %d", at, length);
                model.discard(at, length);
            }
            default -> add("flush");
        }
    }

    /** Adds a change of size; what version 2 of qcow2 can't have is not asked for. */
    QemuScript resize() {
        int size = resized(random, model.size());
        if (size < model.size() || c.compat() == 3 || !c.backing().there()) {
            int tail = Math.min(size, (model.size() + c.cluster() - 1) / c.cluster() * c.cluster()) - model.size();
            add("truncate %d", size);
            if (tail > 0) { // QEMU may show what was there before the disk was made smaller
                add("write -q -z %d %d", model.size(), tail);
            }
            model.resize(size);
        }
        return this;
    }

    private void add(String command, Object... arguments) {
        commands.add(command.formatted(arguments));
    }

    static int resized(Random r, int size) {
        return Math.max(512, size + (r.nextInt(800_000) - 400_000) / 512 * 512);
    }

    /** Where a request goes, and how long it is: from a sector to all, sometimes of whole clusters. */
    static int[] place(Random r, int size, int cluster) {
        int sectors = size / 512;
        int n = 1 + r.nextInt(Math.min(sectors, 1 << r.nextInt(12)));
        int at = r.nextInt(sectors - n + 1);
        int per = Math.min(cluster, 1 << 18) / 512;
        if (r.nextInt(3) == 0) {
            at &= -per;
            n = Math.min(sectors - at, n + per - 1 & -per);
        }
        return new int[] {at * 512, n * 512};
    }
}
