package serai.image;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Which applets a busybox has, read from its binary: their names stand in it as one sorted list of zero-terminated
 * strings that begins with "[" and "[[" (what precedes it is the linker's matter: Debian 13's has no zero there). So the guest needs not run {@code busybox --install}, nor the host busybox.
 */
final class Busybox {
    private static final byte[] FIRST = "[\0[[\0".getBytes(StandardCharsets.US_ASCII);
    /** Enough for {@code /init} and a shell if the list is not found. */
    private static final List<String> BASIC = List.of(
            "cat",
            "cttyhack",
            "dd",
            "dmesg",
            "echo",
            "insmod",
            "ls",
            "mkdir",
            "mount",
            "poweroff",
            "ps",
            "reboot",
            "setsid",
            "sh",
            "sleep",
            "umount",
            "uname");

    private Busybox() {}

    static List<String> applets(byte[] binary) {
        for (int at = 0; at + FIRST.length < binary.length; at++) {
            if (java.util.Arrays.equals(binary, at, at + FIRST.length, FIRST, 0, FIRST.length)) {
                List<String> names = list(binary, at);
                if (names.containsAll(BASIC)) {
                    return names;
                }
            }
        }
        return BASIC;
    }

    private static List<String> list(byte[] b, int from) {
        List<String> names = new ArrayList<>();
        int at = from;
        while (at < b.length) {
            int end = at;
            while (end < b.length && b[end] != 0 && end - at < 32) {
                end++;
            }
            String name = new String(b, at, end - at, StandardCharsets.ISO_8859_1);
            boolean ascending = names.isEmpty() || names.getLast().compareTo(name) < 0;
            if (!ascending || !name.matches("\\[|\\[\\[|[a-z0-9][a-z0-9_.-]*")) {
                break;
            }
            names.add(name);
            at = end + 1;
        }
        return names;
    }
}
