package serai.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MainTest {
    private static String refused(int status, String... args) {
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        assertEquals(status, Main.execute(args, System.out, new PrintStream(err, true, StandardCharsets.UTF_8)));
        return err.toString(StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            |no command given; see: serai --help
            fly|unexpected argument 'fly'; see: serai --help
            run|give an image (try: serai run tiny) or --kernel FILE
            run tiny --fly|unknown option '--fly'; see: serai run --help
            run tiny more|unexpected argument 'more'; see: serai run --help
            run tiny --kernel x|an image has a kernel of its own: give 'tiny' or --kernel, not both
            run tiny --initrd x|--initrd goes with --kernel; an image has its own
            run tiny --reset|--reset is for images with a disk; tiny keeps nothing
            run tiny --temporary|--temporary is for images with a disk; tiny keeps nothing
            run debian --reset --temporary|--reset and --temporary exclude each other
            run --kernel x --reset|--reset goes with an image
            run tiny --memory 0|--memory 0 is too little: a guest needs at least 2M
            run tiny --memory 1M|--memory 1M is too little: a guest needs at least 2M
            run tiny --memory -5|--memory wants a size such as 512M or 2G, not '-5'
            run tiny --memory 4M,max=lots|--memory wants a size such as 512M or 2G, not 'lots'
            run tiny --memory 8M,max=4M|--memory 8M,max=4M can't grow to less than it has
            run tiny --memory 8M,most=16M|--memory wants SIZE[,max=SIZE[,node=N]], not '8M,most=16M'
            run tiny --memory lots|--memory wants a size such as 512M or 2G, not 'lots'
            run tiny --memory 4194305|--memory 4194305 is not a whole number of megabytes
            run tiny --cpus 0|--cpus wants a number from 1 to 16, not '0'
            run tiny --cpus 17|--cpus wants a number from 1 to 16, not '17'
            run tiny --engine java,translate=some|--engine ...,translate= wants auto, on or off, not 'some'
            run tiny --engine java,warp|--engine has no setting 'warp'; there is translate
            run tiny --engine kvm,translate=off|--engine kvm does not translate: translate is for java
            run tiny --engine warp|--engine wants auto, java or kvm, not 'warp'
            run tiny --serial tape|--serial wants stdio, null or file:PATH, not 'tape'
            run tiny --debugcon file:|--debugcon wants stdio, null or file:PATH, not 'file:'
            run tiny --debug-exit 0x10000|--debug-exit wants a number from 0 to 65535, not '0x10000'
            run tiny --timeout 0|--timeout wants a number of seconds above 0, not '0'
            run tiny --gdb x|--gdb wants a number from 1 to 65535, not 'x'
            run tiny --disk ,readonly|--disk wants FILE[,format=FORMAT][,readonly][,bus=BUS][,id=NAME][,addr=SLOT]..., not ',readonly'
            run tiny --disk a,format=qcow|--disk ...,format= wants raw, qcow2, luks, vmdk, vpc, vhd or vhdx, not 'qcow'
            run tiny --disk a,bus=sata,addr=17|--disk ...,addr= is a PCI slot, which a SATA disk is not in
            run tiny --cdrom ,id=a|--cdrom wants FILE[,id=NAME], not ',id=a'
            run tiny --cdrom a,readonly|--cdrom has no setting 'readonly'; there is id
            run tiny --disk a,speed=9|--disk has no setting 'speed'; 'serai run --help' has them all
            """)
    void badUsage_isOneSentenceAndStatus2(@org.jspecify.annotations.Nullable String line, String sentence) {
        String[] args = line == null ? new String[0] : line.split(" ");
        assertEquals("serai: " + sentence + System.lineSeparator(), refused(Status.USAGE, args));
    }

    @Test
    void moreMemoryThanTheHostHas() {
        String m = refused(Status.USAGE, "run", "tiny", "--memory", "900000T");
        assertEquals("serai: --memory 900000T is more than this machine has (", m.substring(0, m.indexOf('(') + 1));
    }

    @Test
    void unknownImage_isRefusedInput() {
        assertEquals(
                "serai: there is no image 'huge'; the images are: tiny, generic and debian, or with a suite, such as debian:trixie"
                        + System.lineSeparator(),
                refused(Status.INPUT, "run", "huge"));
    }

    @Test
    void memory() throws CliException {
        assertEquals("4194304,max=8388608,node=1", Values.memoryWord("4M,max=8M,node=1"));
        assertEquals(512L << 20, Values.memory("512M", Long.MAX_VALUE));
        assertEquals(2L << 30, Values.memory("2g", Long.MAX_VALUE));
        assertEquals(4L << 20, Values.memory("4096KiB", Long.MAX_VALUE));
        assertEquals(8192L << 10, Values.memory("8388608", Long.MAX_VALUE));
        assertThrows(CliException.class, () -> Values.memory("2G", 1L << 30));
    }

    @Test
    void cdrom() throws CliException {
        assertEquals("a,b,id=x,id=cdrom-2", Values.cdrom("a,,b,,id=x", 2));
        assertEquals("a,id=cd", Values.cdrom("a,id=cd", 0));
    }

    @Test
    void disk() throws CliException {
        assertEquals(new Values.Disk("a", false, "virtio"), Values.disk("a"));
        assertEquals(new Values.Disk("a", true, "virtio"), Values.disk("a,readonly,bus=virtio"));
        assertEquals(new Values.Disk("a,b", false, "nvme"), Values.disk("a,,b,readonly=off,bus=nvme"));
        assertEquals("a,b,readonly=false,bus=virtio", Values.disk("a,,b").vmmValue());
        assertEquals(
                "a,readonly=false,bus=virtio,id=d,format=qcow2,iops=100,throttling.bps-total-max=1M,werror=stop",
                Values.disk("a,format=qcow2,iops=100,throttling.bps-total-max=1M,werror=stop,id=d")
                        .vmmValue());
    }
}
