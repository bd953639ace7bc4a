package serai.linux;

import java.nio.ByteOrder;

/** Whether this host is one that the module can serve. */
public final class Linux {
    private Linux() {}

    /** True on 64-bit little-endian Linux (x86-64, AArch64); elsewhere no other class of the package may be used. */
    public static boolean available() {
        String arch = System.getProperty("os.arch", "");
        return System.getProperty("os.name", "").equals("Linux")
                && ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN
                && (arch.equals("amd64") || arch.equals("x86_64") || arch.equals("aarch64"));
    }
}
