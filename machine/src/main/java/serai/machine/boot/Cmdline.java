package serai.machine.boot;

import java.nio.charset.StandardCharsets;

/** The command line in guest RAM. */
final class Cmdline {
    private Cmdline() {}

    /** Refuses one longer than {@code max} bytes in UTF-8, the final zero not counted. */
    static void check(KernelFile file, String append, int max) throws BootException {
        int n = append.getBytes(StandardCharsets.UTF_8).length;
        if (n > max) {
            throw new BootException("the kernel command line has " + n + " bytes, " + file + " takes at most " + max);
        }
        if (append.indexOf('\0') >= 0) {
            throw new BootException("the kernel command line contains a zero byte");
        }
    }

    static void write(Ram ram, String append) {
        byte[] b = append.getBytes(StandardCharsets.UTF_8);
        ram.memory.write(BootLayout.CMDLINE, b);
        ram.memory.writeByte(BootLayout.CMDLINE + b.length, 0);
    }
}
