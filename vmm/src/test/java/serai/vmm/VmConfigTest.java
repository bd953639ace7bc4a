package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static serai.vmm.DiskConfig.Bus.NVME;
import static serai.vmm.DiskConfig.Bus.VIRTIO;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.cpu.TranslationMode;
import serai.storage.ImageFormat;
import serai.storage.throttle.Limit;
import serai.storage.throttle.Limits;
import serai.vmm.block.DiskPolicy;
import serai.vmm.block.DiskPolicy.Action;

final class VmConfigTest {
    @Test
    void cdroms_haveAnIdAtTheEnd_andAreFourAtMost() throws VmmException {
        assertEquals(
                List.of(new CdromConfig(Path.of("a,b.iso"), "cd"), new CdromConfig(Path.of("c"), null)),
                VmConfig.parse(List.of("kernel=k", "cdrom=a,b.iso,id=cd", "cdrom=c"))
                        .cdroms());
        VmmException e = assertThrows(
                VmmException.class,
                () -> VmConfig.parse(List.of("kernel=k", "cdrom=a", "cdrom=b", "cdrom=c", "cdrom=d", "cdrom=e")));
        assertEquals("a VM has at most 4 CD-ROM drives", e.getMessage());
    }

    @Test
    void diskSettings_areToldFromTheNameByTheEnd() throws VmmException {
        assertEquals(
                List.of(new DiskConfig(Path.of("x,y.raw"), false, VIRTIO, "d1", 17)),
                VmConfig.parse(List.of("kernel=k", "disk=x,y.raw,readonly=false,id=d1,addr=17"))
                        .disks());
        VmmException e = org.junit.jupiter.api.Assertions.assertThrows(
                VmmException.class, () -> VmConfig.parse(List.of("kernel=k", "disk=x,readonly=true,addr=4")));
        assertEquals("addr of a disk must be from 16 to 23, not 4", e.getMessage());
    }

    @Test
    void diskLayers_areSettingsOfTheDisk() throws VmmException {
        VmConfig c = VmConfig.parse(List.of(
                "kernel=k",
                "secret=id=s,file=a,b",
                "disk=x,iops=3,readonly=false,bus=virtio,format=qcow2,encrypt.key-secret=s,iops=100,iops-max=1K,"
                        + "throttling.bps-total=1M,group=g,werror=pause,rerror=stop,stall=report,stall-timeout=2.5"));
        assertEquals(java.util.Map.of("s", Path.of("a,b")), c.secrets());
        DiskConfig d = c.disks().getFirst();
        assertEquals(Path.of("x,iops=3"), d.file());
        assertEquals(
                new DiskLayers(
                        ImageFormat.QCOW2,
                        "s",
                        Limits.NONE.withIops(new Limit(100, 1024, 1)).withBps(Limit.of(1 << 20)),
                        "g",
                        new DiskPolicy(Action.STOP, Action.PAUSE, Action.REPORT, Duration.ofMillis(2500))),
                d.layers());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "speed=9|a disk has no setting 'speed=9'",
                "format=qcow|there is no image format 'qcow'; there are raw, qcow2, vmdk, vpc, vhdx, luks",
                "rerror=enospc|rerror of a disk must be one of report, ignore, stop, pause, not 'enospc'",
                "stall=ignore|stall of a disk must be one of report, pause, stop, not 'ignore'",
                "iops=x|iops must be a number, perhaps with K, M or G, not 'x'",
                "iops-max=5|iops-total: a burst (max) needs the limit that it is a burst of",
                "bps=99999999999999999T|bps 99999999999999999T is too large",
            })
    void wrongDiskLayers(String setting, String sentence) {
        VmmException e = assertThrows(
                VmmException.class, () -> VmConfig.parse(List.of("kernel=k", "disk=x,readonly=false," + setting)));
        assertEquals(sentence, e.getMessage());
        assertEquals(VmmException.USAGE, e.status());
    }

    @Test
    void memoryMayGrow() throws VmmException {
        assertEquals(
                new MemorySize(512L << 20, 2L << 30, 0),
                VmConfig.parse(List.of("kernel=k", "memory=512M,max=2G"))
                        .hardware()
                        .memory());
        assertEquals(
                new MemorySize(512L << 20, 2L << 30, 1),
                VmConfig.parse(List.of(
                                "kernel=k",
                                "memory=512M,node=1,max=2G",
                                "cpus=2",
                                "numa=cpus=0,memory=256M",
                                "numa=cpus=1,memory=256M"))
                        .hardware()
                        .memory());
    }

    @Test
    void cpus_atTheStartAndAtMost() throws VmmException {
        VmConfig some = VmConfig.parse(List.of("kernel=k", "cpus=2"));
        assertEquals(
                List.of(2, 2, 2),
                List.of(
                        some.hardware().cpus(),
                        some.hardware().maxCpus(),
                        some.hardware().cpusInPackage()));
        VmConfig more = VmConfig.parse(List.of("kernel=k", "cpus=2,max=16"));
        assertEquals(
                List.of(2, 16, 1),
                List.of(
                        more.hardware().cpus(),
                        more.hardware().maxCpus(),
                        more.hardware().cpusInPackage()));
        assertEquals(
                "max of cpus must be from 2 to 16, not 1",
                assertThrows(VmmException.class, () -> VmConfig.parse(List.of("kernel=k", "cpus=2,max=1")))
                        .getMessage());
        assertEquals(
                "cpus must be a number, not '2,most=3'",
                assertThrows(VmmException.class, () -> VmConfig.parse(List.of("kernel=k", "cpus=2,most=3")))
                        .getMessage());
        assertEquals(
                "vCPU 3 is in no NUMA node",
                assertThrows(
                                VmmException.class,
                                () -> VmConfig.parse(
                                        List.of("kernel=k", "cpus=2,max=4", "memory=64M", "numa=cpus=0-2,memory=64M")))
                        .getMessage());
    }

    @Test
    void everyWordIsTaken() throws VmmException {
        VmConfig c = VmConfig.parse(List.of(
                "kernel=k",
                "initrd=i",
                "append=console=ttyS0 a=b",
                "memory=1G",
                "cpus=1",
                "hpet=true",
                "engine=java,translate=off",
                "disk=a,b.raw,readonly=true",
                "disk=c.raw",
                "disk=d,readonly=false,bus=nvme",
                "serial=file:/tmp/x",
                "debugcon=stdio",
                "console=null",
                "port=org.qemu.guest_agent.0,file:agent",
                "debug-exit=0xf4",
                "timeout=1.5",
                "no-reboot=true",
                "gdb=1234",
                "stats=true",
                "trace=100,20",
                "deterministic=7",
                "save-at=1000,snap"));
        assertEquals("console=ttyS0 a=b", c.boot().append());
        assertEquals(new MemorySize(1L << 30, 1L << 30, 0), c.hardware().memory());
        assertEquals(
                List.of(
                        new DiskConfig(Path.of("a,b.raw"), true, VIRTIO, null, -1),
                        new DiskConfig(Path.of("c.raw"), false, VIRTIO, null, -1),
                        new DiskConfig(Path.of("d"), false, NVME, null, -1)),
                c.disks());
        assertEquals(
                new StreamConfig.Sink.ToFile(Path.of("/tmp/x")), c.streams().serial());
        assertEquals(
                List.of(new StreamConfig.Port(
                        "org.qemu.guest_agent.0", new StreamConfig.Sink.ToFile(Path.of("agent")))),
                c.streams().ports());
        assertEquals(new EngineConfig("java", TranslationMode.OFF), c.hardware().engine());
        assertEquals(0xf4, c.hardware().debugExit());
        assertEquals(1500, c.session().timeoutMillis());
        assertEquals(new SessionConfig.Trace(false, 100, 120), c.session().trace());
        assertEquals(7L, c.repeat().seed());
        assertEquals(1000, c.snapshots().saveAt());
        assertEquals(Path.of("snap"), c.snapshots().file());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "memory=0 | memory 0 is too little: a guest needs 2M at least",
                "memory=1M | memory 1M is too little: a guest needs 2M at least",
                "memory=lots | memory 'lots' is not a size; try 512M",
                "memory=1G,max=lots | memory 'lots' is not a size; try 512M",
                "memory=1G,most=2G | memory '1G,most=2G' is not SIZE[,max=SIZE[,node=N]]; try 1G,max=4G",
                "memory=1G,max=512M | memory 1G,max=512M: what it can grow to is less than what it has at the start",
                "memory=1G,max=1025M | memory 1G,max=1025M: it grows by 2M at a time",
                "memory=1G,max=512G | memory 1G,max=512G is more than a guest can grow to: the addresses end at 512G",
                "memory=1G,max=2G,node=1 | memory: node 1 is not there, and there are 0",
                "memory=4096T | memory 4096T is more than the 1T that a guest can have",
                "memory=3000000 | memory 3000000 is not a whole number of megabytes",
                "cpus=17 | cpus must be from 1 to 16, not 17",
                "numa=cpus=0,memory=256M | the NUMA nodes have 256 MiB together, the machine has 512 MiB",
                "numa=cpus=0-1,memory=512M | a NUMA node has vCPU 1, the machine 0 to 0",
                "numa=512M | numa '512M' is no node; try numa=cpus=0-1,memory=256M",
                "numa-distance=0,1 | numa-distance '0,1' is not NODE,NODE,DISTANCE; try numa-distance=0,1,20",
                "numa-distance=0,1,20 | numa-distance names node 1, and there are 0",
                "engine=java,translate=some | translate of engine must be one of auto, on, off, not 'some'",
                "engine=java,fast | engine 'java,fast' is not NAME[,translate=WHEN]; try java,translate=off",
                "engine=kvm,translate=on | engine kvm does not translate: translate is for java",
                "engine=xen | engine must be one of auto, java, kvm, not 'xen'",
                "serial=tcp | serial must be stdio, null or file:PATH, not 'tcp'",
                "debug-exit=70000 | debug-exit must be from 0 to 65535, not 70000",
                "debug-exit=x | debug-exit must be a number, not 'x'",
                "timeout=0 | timeout must be more than 0 seconds and at most 1000000000, not 0",
                "timeout=soon | timeout 'soon' is not a number of seconds",
                "no-reboot=yes | no-reboot must be one of true, false, not 'yes'",
                "colour=red | unknown option 'colour'",
                "kernel= | kernel needs a file name",
                "save-at=10 | save-at needs snapshot=FILE to save to",
                "trace=5 | trace must be FIRST,COUNT of instructions or FROM-TO of addresses, not '5'",
                "nonsense | 'nonsense' is not KEY=VALUE",
            })
    void badWordsGetOneSentence(String word, String sentence) {
        VmmException e = assertThrows(VmmException.class, () -> VmConfig.parse(List.of("kernel=k", word)));
        assertEquals(sentence, e.getMessage());
        assertEquals(VmmException.USAGE, e.status());
    }

    @Test
    void noKernelIsUsage() {
        VmmException e = assertThrows(VmmException.class, () -> VmConfig.parse(List.of()));
        assertTrue(String.valueOf(e.getMessage()).startsWith("no kernel given"));
    }

    @Test
    void aDiskMayBeWhatAnNbdServerHas() throws VmmException {
        DiskConfig d = VmConfig.parse(List.of("kernel=k", "disk=nbd+unix:///a?socket=/run/x,y,readonly=true,id=d"))
                .disks()
                .getFirst();
        assertEquals(
                "nbd+unix:///a?socket=/run/x%2Cy", String.valueOf(d.layers().remote()));
        assertEquals(
                null,
                VmConfig.parse(List.of("kernel=k", "disk=nbd:x"))
                        .disks()
                        .getFirst()
                        .layers()
                        .remote());
        for (String bad : List.of(
                "nbd://h/x,readonly=false,format=qcow2|a disk of an NBD server is raw, and not encrypted",
                "nbd://h/x,readonly=false,key-secret=s|a disk of an NBD server is raw, and not encrypted")) {
            String[] b = bad.split("\\|");
            VmmException e =
                    assertThrows(VmmException.class, () -> VmConfig.parse(List.of("kernel=k", "disk=" + b[0])));
            assertEquals(b[1], e.getMessage());
        }
    }
}
