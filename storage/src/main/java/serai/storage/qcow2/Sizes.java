package serai.storage.qcow2;

import serai.storage.DiskException;

/** Sizes as qemu-img takes them: a number, and k, M, G, T, P or E for powers of 1,024. */
final class Sizes {
    private Sizes() {}

    static long parse(String what, String s) throws DiskException {
        int n = s.length();
        int power = n == 0 ? -1 : "kmgtpe".indexOf(Character.toLowerCase(s.charAt(n - 1)));
        String digits = power < 0 ? s : s.substring(0, n - 1);
        try {
            long v = Long.parseLong(digits);
            int shift = 10 * (power + 1);
            if (v < 0 || v > Long.MAX_VALUE >> shift) {
                throw new DiskException(what + " " + s + " is out of range");
            }
            return v << shift;
        } catch (NumberFormatException e) {
            throw new DiskException(what + " '" + s + "' is no size, like 65536, 64k or 2M", e);
        }
    }
}
