package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is wrong is told in one sentence, with an even status, and nothing is left behind. */
@Tag("e2e")
final class BadInputTest {
    @TempDir
    Path directory;

    private void refused(int status, String sentence, String... words) throws Exception {
        List<String> w = new ArrayList<>(List.of("engine=java", "serial=null", "timeout=30"));
        w.addAll(List.of(words));
        Vmm.Result r = Vmm.run(w);
        assertEquals(status, r.status(), r.err());
        assertTrue(r.lastError().startsWith("serai: "), r.err());
        assertTrue(r.lastError().contains(sentence), r.err());
        assertFalse(r.err().contains("\tat "), r.err());
        assertEquals("", r.out());
    }

    private String guest() {
        return "kernel=" + Guests.binary(Guests.named("hello64"));
    }

    private Path file(String name, byte[] content) throws Exception {
        return Files.write(directory.resolve(name), content);
    }

    @Test
    void kernels() throws Exception {
        refused(2, "no kernel given");
        refused(6, "does not exist", "kernel=" + directory.resolve("none"));
        refused(6, "is empty", "kernel=" + file("empty", new byte[0]));
        refused(6, "is a directory", "kernel=" + directory);
        refused(6, "is not a kernel", "kernel=" + file("text", "#!/bin/sh\necho\n".getBytes()));
        refused(6, "program that runs on an operating system", "kernel=/bin/ls");
        byte[] whole = Files.readAllBytes(Guests.binary(Guests.named("hello64")));
        refused(6, "truncated", "kernel=" + file("cut", java.util.Arrays.copyOf(whole, 300)));
    }

    @Test
    void initrds() throws Exception {
        refused(6, "does not exist", guest(), "initrd=" + directory.resolve("none"));
        Path huge = directory.resolve("huge");
        try (RandomAccessFile f = new RandomAccessFile(huge.toFile(), "rw")) {
            f.setLength(80 << 20);
        }
        refused(6, "initrd", guest(), "memory=64M", "initrd=" + huge);
    }

    @Test
    void memory() throws Exception {
        refused(2, "memory 0 is too little", guest(), "memory=0");
        refused(2, "memory 1M is too little", guest(), "memory=1M");
        refused(8, "more than the", guest(), "memory=900G");
        refused(2, "more than the 1T", guest(), "memory=2000G");
    }

    @Test
    void words() throws Exception {
        refused(2, "unknown option 'colour'", guest(), "colour=red");
        refused(2, "cpus must be from 1 to 16", guest(), "cpus=17");
        refused(2, "cpu-model", guest(), "cpu-model=abacus");
        refused(2, "engine must be one of", guest(), "engine=xen");
        refused(8, "can't be written", guest(), "debugcon=file:" + directory.resolve("no/such"));
    }

    @Test
    void disks() throws Exception {
        refused(6, "does not exist", guest(), "disk=" + directory.resolve("none"));
        refused(6, "512", guest(), "disk=" + file("odd", new byte[1000]));
        refused(6, "is a directory", guest(), "disk=" + directory);
    }

    @Test
    void aTimeoutEndsTheVm() throws Exception {
        Vmm.Result r =
                Vmm.run("engine=java", "serial=null", "timeout=1", "kernel=" + Guests.binary(Guests.named("runaway")));
        assertEquals(124, r.status(), r.err());
        assertEquals("serai: the time of 1.0 s is over", r.lastError());
    }
}
