package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.image.Image;
import serai.image.ImageException;
import serai.image.Images;
import serai.image.Progress;

/**
 * A guest with two vCPUs boots a stock kernel and loads its disks, in deterministic mode: once in one go, and once saved at random instants,
 * each time restored into a new machine that goes on. All that can be seen has to be the same at the end. The second run is one
 * chain, so that a state lost at any instant shows.
 */
@Tag("soak")
final class SaveAnywhereInABootTest {
    private static final int INSTANTS = Integer.getInteger("serai.test.instants", 1000);
    private static final long SEED = Long.getLong("serai.test.seed", 20261125);
    private static final long DISK = 16 << 20;
    /** Past this many instructions the kernel is up and the disks are busy; the whole takes some more. */
    private static final String WORK = "sed '/setsid/,$d' /init > /i; . /i; "
            + "for d in /dev/vda /dev/nvme0n1; do ( i=0; while [ $i -lt 4 ]; do "
            + "dd if=/dev/urandom of=$d bs=64k count=24 seek=$((i * 24)); dd if=$d of=/dev/null bs=4k count=300; "
            + "i=$((i + 1)); done ) & done; wait; sync; md5sum /dev/vda /dev/nvme0n1; grep -c ^processor /proc/cpuinfo; "
            + "poweroff -f";

    @TempDir
    Path directory;

    /**
     * What can be seen of a run.
     *
     * @param output of the serial line
     * @param hash of the vCPUs' states and RAM, with the count of instructions
     * @param disks their content
     */
    private record Seen(String output, String hash, List<byte[]> disks) {}

    private final List<Path> disks = new ArrayList<>();

    private List<String> machine() throws InterruptedException {
        List<String> words = new ArrayList<>(
                List.of("engine=java", "cpus=2", "memory=256M", "deterministic=5", "hash-every=9000000000000000"));
        disks.forEach(d -> words.add("disk=" + d + (d.endsWith("nvme") ? ",bus=nvme" : "")));
        return words;
    }

    private static List<String> kernel() throws InterruptedException {
        try {
            Image i = Images.forUser(Progress.onStandardError()).get("tiny");
            return List.of(
                    "kernel=" + i.kernel(),
                    "initrd=" + i.initrd(),
                    "append=" + i.append() + " quiet rdinit=/bin/sh -- -c \"" + WORK + "\"");
        } catch (ImageException e) {
            assumeTrue(false, "capability: debian-packages");
            throw new AssertionError(e);
        }
    }

    /** Runs a VM in this process to its end: the last line it says. */
    private String run(List<String> words, ByteArrayOutputStream output) throws Exception {
        Path serial = directory.resolve("serial");
        List<String> all = new ArrayList<>(words);
        all.add("serial=file:" + serial);
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        try (Console console = new Console(new PrintStream(said, true, StandardCharsets.UTF_8));
                Vm vm = new Vm(VmConfig.parse(all), console)) {
            End end = vm.run();
            assertEquals(0, end.status(), () -> end.message() + "\n" + said);
        }
        output.writeBytes(Files.readAllBytes(serial));
        return said.toString(StandardCharsets.UTF_8)
                .lines()
                .filter(l -> l.startsWith("serai: final "))
                .findFirst()
                .orElseThrow(() -> new AssertionError(said.toString(StandardCharsets.UTF_8)));
    }

    private void newDisks() throws Exception {
        disks.clear();
        for (String name : List.of("virtio", "nvme")) {
            Path d = directory.resolve(name);
            try (RandomAccessFile f = new RandomAccessFile(d.toFile(), "rw")) {
                f.setLength(0);
                f.setLength(DISK);
            }
            disks.add(d);
        }
    }

    private Seen seen(ByteArrayOutputStream output, String hash) throws Exception {
        List<byte[]> contents = new ArrayList<>();
        for (Path d : disks) {
            contents.add(Files.readAllBytes(d));
        }
        return new Seen(output.toString(StandardCharsets.ISO_8859_1), hash, contents);
    }

    @Test
    void savedAtRandomInstants_endsAsTheRunInOneGo() throws Exception {
        newDisks();
        List<String> boot = new ArrayList<>(machine());
        boot.addAll(kernel());
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        Seen whole = seen(output, run(boot, output));
        assertTrue(whole.output.contains("\n2\r\n"), whole.output);
        long instructions = Long.parseLong(whole.hash.substring(whole.hash.lastIndexOf(' ') + 1));
        System.out.printf("in one go: %s, seed %d%n", whole.hash, SEED);

        newDisks();
        long[] instants = new Random(SEED)
                .longs(INSTANTS, 1, instructions)
                .sorted()
                .distinct()
                .toArray();
        output = new ByteArrayOutputStream();
        List<String> from = new ArrayList<>(kernel());
        for (int i = 0; i < instants.length; i++) {
            Path to = directory.resolve("snapshot" + i % 2);
            List<String> words = new ArrayList<>(machine());
            words.addAll(from);
            words.addAll(List.of("save-at=" + instants[i], "snapshot=" + to));
            run(words, output);
            from = List.of("load=" + to);
            if (i % 50 == 0) {
                System.out.printf("%d of %d instants, instruction %d%n", i + 1, instants.length, instants[i]);
            }
        }
        List<String> words = new ArrayList<>(machine());
        words.addAll(from);
        Seen chain = seen(output, run(words, output));
        assertEquals(whole.output, chain.output);
        assertEquals(whole.hash, chain.hash);
        for (int i = 0; i < disks.size(); i++) {
            assertArrayEquals(whole.disks.get(i), chain.disks.get(i));
        }
    }
}
