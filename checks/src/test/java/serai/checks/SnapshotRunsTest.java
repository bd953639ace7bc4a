package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.kvm.KvmProbe;

/** A guest that is saved in the middle of its work goes on in another process, on the same engine or the other. */
@Tag("e2e")
final class SnapshotRunsTest {
    @TempDir
    Path directory;

    private List<String> words(String engine, String... more) {
        List<String> w = new ArrayList<>(
                List.of("engine=" + engine, "serial=null", "debugcon=stdio", "debug-exit=0xf4", "timeout=120"));
        w.addAll(List.of(more));
        return w;
    }

    private void across(String first, String second, String... options) throws Exception {
        Guest guest = Guests.named("work");
        Path file = directory.resolve("snapshot");
        List<String> saving = new ArrayList<>(List.of(options));
        saving.addAll(List.of("kernel=" + Guests.binary(guest), "memory=64M", "snapshot=" + file));
        Vmm.Result a = Vmm.run(words(first, saving.toArray(String[]::new)));
        assertEquals(0, a.status(), a.err());
        assertTrue(guest.transcript().startsWith(a.out()), a.out());
        assertNotEquals(guest.transcript(), a.out(), "it was over before it was saved");
        Vmm.Result b = Vmm.run(words(second, "load=" + file));
        assertEquals(guest.status(), b.status(), b.err());
        assertEquals(guest.transcript(), a.out() + b.out());
    }

    @Test
    void javaToJava() throws Exception {
        across("java", "java", "save-at=1500000");
    }

    @Test
    void javaToKvm() throws Exception {
        assumeTrue(KvmProbe.measure().present(), "capability: kvm");
        // the least CPU there is: KVM's processor has it, whatever it is
        across("java", "kvm", "save-at=2000000", "cpu-model=x86-64-v1,-sse3,-ssse3,-cx16,-lahf,-rdtscp");
    }

    @Test
    void kvmToJava() throws Exception {
        KvmProbe probe = KvmProbe.measure();
        assumeTrue(probe.present(), "capability: kvm");
        // with ring 0 at full speed the guest is over before the first moment it could be saved at
        assumeTrue(!probe.available(), "capability: kvm-ring0");
        across("kvm", "java", "save-after=0.5");
    }

    @Test
    void aSpoiledSnapshotIsRefusedInOneSentence() throws Exception {
        Guest guest = Guests.named("work");
        Path file = directory.resolve("snapshot");
        Vmm.run(words("java", "kernel=" + Guests.binary(guest), "memory=64M", "save-at=1000", "snapshot=" + file));
        byte[] good = Files.readAllBytes(file);
        record Spoiled(byte[] bytes, String sentence) {}
        byte[] flipped = good.clone();
        flipped[good.length - 5000] ^= 1;
        byte[] longer = java.util.Arrays.copyOf(good, good.length + 1);
        for (Spoiled s : List.of(
                new Spoiled(java.util.Arrays.copyOf(good, good.length / 2), "truncated"),
                new Spoiled(java.util.Arrays.copyOf(good, 10), "truncated"),
                new Spoiled(flipped, "checksum"),
                new Spoiled(longer, "follows its end"),
                new Spoiled("not at all a snapshot".getBytes(), "not a snapshot"))) {
            Files.write(file, s.bytes());
            Vmm.Result r = Vmm.run(words("java", "load=" + file));
            assertEquals(6, r.status(), r.err());
            assertTrue(r.lastError().contains(s.sentence()), r.err());
            assertEquals("", r.out());
        }
    }
}
