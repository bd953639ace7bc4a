package serai.machine.boot;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Little-endian fields of byte arrays, at any alignment. */
final class Le {
    private static final VarHandle SHORT = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    static int u8(byte[] b, int at) {
        return b[at] & 0xff;
    }

    static int u16(byte[] b, int at) {
        return (short) SHORT.get(b, at) & 0xffff;
    }

    static int i32(byte[] b, int at) {
        return (int) INT.get(b, at);
    }

    static long u32(byte[] b, int at) {
        return i32(b, at) & 0xffffffffL;
    }

    static long i64(byte[] b, int at) {
        return (long) LONG.get(b, at);
    }

    static void put16(byte[] b, int at, int value) {
        SHORT.set(b, at, (short) value);
    }

    static void put32(byte[] b, int at, long value) {
        INT.set(b, at, (int) value);
    }

    static void put64(byte[] b, int at, long value) {
        LONG.set(b, at, value);
    }

    private Le() {}
}
