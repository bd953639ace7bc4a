package serai.cpu;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Where processors differ by the manuals' own words: cases that the oracle's answer says nothing about. Serai's CPU is
 * a GenuineIntel; the tests run on whatever there is.
 */
final class OracleVendor {
    private static final boolean AMD = vendorIsAmd();

    private OracleVendor() {}

    private static boolean vendorIsAmd() {
        Path info = Path.of("/proc/cpuinfo");
        try {
            return Files.exists(info) && Files.readString(info).contains("AuthenticAMD");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Whether the processor may do with this case what it likes, or what another vendor's doesn't do. */
    static boolean unspecified(OracleCase c) {
        boolean small = false;
        int rex = 0;
        int at = 0;
        for (; at < c.code().length; at++) {
            int u = c.code()[at] & 0xff;
            if ((u & 0xf0) == 0x40) {
                rex = u;
                at++;
                break;
            }
            if (u == 0x66) {
                small = true;
            } else if (u != 0x65 && u != 0x67 && u != 0xf0 && u != 0xf2 && u != 0xf3 && u != 0x2e && u != 0x3e) {
                break;
            }
        }
        return switch (c.row().mnemonic()) {
            // SDM vol. 2, SHLD and SHRD: a count greater than the operand's size leaves the destination undefined
            case "SHLD", "SHRD" -> small && (rex & 8) == 0 && doubleShiftCount(c) > 16;
            // APM vol. 3, NOP: 90 with REX.B is XCHG r8,rAX, F3 before it or not; Intel's pause
            case "PAUSE" -> AMD && (rex & 1) != 0;
            // a near branch with an operand size of 16 bits: APM vol. 3, 1.2.2 obeys, SDM vol. 2, 2.2.1.7 ignores it
            default -> AMD && small && c.row().has("f64");
        };
    }

    private static int doubleShiftCount(OracleCase c) {
        boolean byCl = c.row().operands().getLast().equals("CL");
        return (byCl ? (int) c.before().gpr()[CpuRegisters.RCX] : c.code()[c.code().length - 1]) & 0x1f;
    }
}
