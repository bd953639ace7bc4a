package serai.machine.boot;

import java.nio.charset.StandardCharsets;

/** What a file that is no kernel looks like, for the message that refuses it. */
final class Foreign {
    private Foreign() {}

    static String describe(byte[] h) {
        if (starts(h, 0, 0x1f, 0x8b)) {
            return "gzip-compressed data";
        }
        if (starts(h, 0, 0xfd, '7', 'z', 'X', 'Z')) {
            return "xz-compressed data";
        }
        if (starts(h, 0, 0x28, 0xb5, 0x2f, 0xfd)) {
            return "Zstandard-compressed data";
        }
        if (starts(h, 0, 'B', 'Z', 'h')) {
            return "bzip2-compressed data";
        }
        if (starts(h, 0, 'P', 'K', 3, 4)) {
            return "a zip or jar archive";
        }
        if (starts(h, 0, '!', '<', 'a', 'r', 'c', 'h', '>')) {
            return "an ar archive or Debian package";
        }
        if (starts(h, 0, 'Q', 'F', 'I', 0xfb)) {
            return "a qcow2 disk image; disks are given with --disk";
        }
        if (starts(h, 0, '0', '7', '0', '7', '0')) {
            return "a cpio archive; an initramfs is given with --initrd";
        }
        if (starts(h, 0, '#', '!')) {
            return "a script";
        }
        if (starts(h, 0x38, 'A', 'R', 'M', 'd')) {
            return "an AArch64 Linux kernel";
        }
        if (starts(h, 0x30, 'R', 'I', 'S', 'C', 'V')) {
            return "a RISC-V Linux kernel";
        }
        if (starts(h, 0, 0x27, 0x05, 0x19, 0x56)) {
            return "a U-Boot image";
        }
        if (starts(h, 0, 0xfe, 0xed, 0xfa, 0xcf) || starts(h, 0, 0xcf, 0xfa, 0xed, 0xfe)) {
            return "a Mach-O file";
        }
        if (starts(h, 0, 'M', 'Z')) {
            return "a DOS, Windows or EFI program";
        }
        if (starts(h, 0x1fe, 0x55, 0xaa)) {
            return "a disk with a boot sector; disks are given with --disk";
        }
        if (starts(h, 0x101, 'u', 's', 't', 'a', 'r')) {
            return "a tar archive";
        }
        int text = 0;
        int n = Math.min(h.length, 512);
        for (int i = 0; i < n; i++) {
            text += h[i] >= ' ' || h[i] == '\n' || h[i] == '\t' || h[i] == '\r' || h[i] < 0 ? 1 : 0;
        }
        return text == n && new String(h, 0, n, StandardCharsets.UTF_8).indexOf('\ufffd') < 0 ? "text" : "data";
    }

    private static boolean starts(byte[] h, int at, int... bytes) {
        if (h.length < at + bytes.length) {
            return false;
        }
        for (int i = 0; i < bytes.length; i++) {
            if ((h[at + i] & 0xff) != bytes[i]) {
                return false;
            }
        }
        return true;
    }
}
