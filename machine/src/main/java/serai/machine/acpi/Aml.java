package serai.machine.acpi;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Encodes AML (ACPI 6.5, chapter 20): each method gives the bytes of one term, and terms nest.
 *
 * <pre>{@code
 * byte[] s5 = Aml.name("_S5_", Aml.pack(Aml.integer(5), Aml.integer(0)));
 * }</pre>
 */
final class Aml {
    /** What {@link #notify} tells (ACPI 6.5, 5.6.6). */
    static final int BUS_CHECK = 0, DEVICE_CHECK = 1, EJECT_REQUEST = 3;

    static byte[] join(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] p : parts) {
            out.writeBytes(p);
        }
        return out.toByteArray();
    }

    private static byte[] bytes(int... v) {
        byte[] b = new byte[v.length];
        for (int i = 0; i < v.length; i++) {
            b[i] = (byte) v[i];
        }
        return b;
    }

    /** A little-endian value of so many bytes. */
    static byte[] le(long v, int size) {
        byte[] b = new byte[size];
        for (int i = 0; i < size; i++) {
            b[i] = (byte) (v >>> i * 8);
        }
        return b;
    }

    /** PkgLength before {@code body}: it counts itself (20.2.4). */
    private static byte[] withLength(byte[] body) {
        int n = body.length;
        if (n + 1 < 0x40) {
            return join(bytes(n + 1), body);
        }
        if (n + 2 < 0x1000) {
            return join(bytes(0x40 | n + 2 & 15, n + 2 >>> 4), body);
        }
        return join(bytes(0x80 | n + 3 & 15, n + 3 >>> 4, n + 3 >>> 12), body);
    }

    /** A name: one segment of four characters, or several joined by dots, perhaps from the root. */
    static byte[] path(String name) {
        String s = name.startsWith("\\") ? name.substring(1) : name;
        byte[] root = name.startsWith("\\") ? bytes('\\') : new byte[0];
        String[] segments = s.split("\\.", -1);
        byte[] prefix =
                switch (segments.length) {
                    case 1 -> new byte[0];
                    case 2 -> bytes(0x2e);
                    default -> bytes(0x2f, segments.length);
                };
        return join(root, prefix, String.join("", segments).getBytes(StandardCharsets.US_ASCII));
    }

    static byte[] integer(long v) {
        if (v == 0 || v == 1) {
            return bytes((int) v);
        }
        if (v >>> 8 == 0) {
            return join(bytes(0xa), le(v, 1));
        }
        if (v >>> 16 == 0) {
            return join(bytes(0xb), le(v, 2));
        }
        return v >>> 32 == 0 ? join(bytes(0xc), le(v, 4)) : join(bytes(0xe), le(v, 8));
    }

    static byte[] name(String name, byte[] value) {
        return join(bytes(8), path(name), value);
    }

    static byte[] scope(String name, byte[]... body) {
        return join(bytes(0x10), withLength(join(path(name), join(body))));
    }

    static byte[] device(String name, byte[]... body) {
        return join(bytes(0x5b, 0x82), withLength(join(path(name), join(body))));
    }

    static byte[] pack(byte[]... elements) {
        return join(bytes(0x12), withLength(join(bytes(elements.length), join(elements))));
    }

    /** A named method; it may be entered by one thread at a time where {@code serialized}. */
    static byte[] method(String name, int arguments, boolean serialized, byte[]... body) {
        return join(bytes(0x14), withLength(join(path(name), bytes(arguments | (serialized ? 8 : 0)), join(body))));
    }

    /** Ports that the fields after it lie in. */
    static byte[] portRegion(String name, int first, int count) {
        return join(bytes(0x5b, 0x80), path(name), bytes(1), integer(first), integer(count));
    }

    /** Addresses that the fields after it lie in. */
    static byte[] memoryRegion(String name, long first, long count) {
        return join(bytes(0x5b, 0x80), path(name), bytes(0), integer(first), integer(count));
    }

    /**
     * The fields of a region, in order.
     *
     * @param access bytes of an access: 1, 2 or 4
     */
    static byte[] fields(String region, int access, byte[]... fields) {
        int flags = Integer.numberOfTrailingZeros(access) + 1 | 2 << 5; // no lock, what is not written is zero
        return join(bytes(0x5b, 0x81), withLength(join(path(region), bytes(flags), join(fields))));
    }

    /** A field of so many bits; without a name they are passed over. */
    static byte[] field(String name, int bits) {
        byte[] length = bits < 0x40 ? bytes(bits) : bytes(0x40 | bits & 15, bits >>> 4);
        return join(name.isEmpty() ? bytes(0) : path(name), length);
    }

    static byte[] mutex(String name) {
        return join(bytes(0x5b, 1), path(name), bytes(0));
    }

    /** Waits for the mutex, for ever. */
    static byte[] acquire(String mutex) {
        return join(bytes(0x5b, 0x23), path(mutex), bytes(0xff, 0xff));
    }

    static byte[] release(String mutex) {
        return join(bytes(0x5b, 0x27), path(mutex));
    }

    static byte[] string(String s) {
        return join(bytes(0xd), s.getBytes(StandardCharsets.US_ASCII), bytes(0));
    }

    static byte[] local(int n) {
        return bytes(0x60 + n);
    }

    static byte[] arg(int n) {
        return bytes(0x68 + n);
    }

    static byte[] store(byte[] value, byte[] into) {
        return join(bytes(0x70), value, into);
    }

    static byte[] add(byte[] a, byte[] b, byte[] into) {
        return join(bytes(0x72), a, b, into);
    }

    static byte[] shiftLeft(byte[] a, byte[] by) {
        return join(bytes(0x79), a, by, bytes(0));
    }

    static byte[] and(byte[] a, byte[] b) {
        return join(bytes(0x7b), a, b, bytes(0));
    }

    static byte[] equal(byte[] a, byte[] b) {
        return join(bytes(0x93), a, b);
    }

    static byte[] less(byte[] a, byte[] b) {
        return join(bytes(0x95), a, b);
    }

    static byte[] onlyIf(byte[] predicate, byte[]... body) {
        return join(bytes(0xa0), withLength(join(predicate, join(body))));
    }

    static byte[] orElse(byte[]... body) {
        return join(bytes(0xa1), withLength(join(body)));
    }

    static byte[] loopWhile(byte[] predicate, byte[]... body) {
        return join(bytes(0xa2), withLength(join(predicate, join(body))));
    }

    static byte[] giveBack(byte[] value) {
        return join(bytes(0xa4), value);
    }

    /** Tells the operating system of an object's event (ACPI 6.5, 5.6.6). */
    static byte[] notify(String object, long event) {
        return notify(object, integer(event));
    }

    static byte[] notify(String object, byte[] event) {
        return join(bytes(0x86), path(object), event);
    }

    /** A call of a method. */
    static byte[] call(String method, byte[]... arguments) {
        return join(path(method), join(arguments));
    }

    static byte[] buffer(byte[] content) {
        return join(bytes(0x11), withLength(join(integer(content.length), content)));
    }

    /** An EISA id such as PNP0A03 (ACPI 6.5, 19.3.4). */
    static byte[] eisaId(String id) {
        int v = (id.charAt(0) - 0x40 & 0x1f) << 26
                | (id.charAt(1) - 0x40 & 0x1f) << 21
                | (id.charAt(2) - 0x40 & 0x1f) << 16;
        v |= Integer.parseInt(id.substring(3), 16);
        return join(bytes(0xc), le(Integer.reverseBytes(v), 4));
    }

    // ---- resource descriptors (ACPI 6.5, 6.4) ----

    static byte[] resources(byte[]... descriptors) {
        return buffer(join(join(descriptors), bytes(0x79, 0)));
    }

    /** A fixed range of ports, decoded to 16 bits. */
    static byte[] io(int first, int count) {
        return join(bytes(0x47, 1), le(first, 2), le(first, 2), bytes(0, count));
    }

    /** An ISA interrupt, edge-triggered, active-high. */
    static byte[] irq(int n) {
        return join(bytes(0x22), le(1L << n, 2));
    }

    static byte[] wordBus(int first, int last) {
        return join(
                bytes(0x88, 0xd, 0, 2, 0xc, 0), le(0, 2), le(first, 2), le(last, 2), le(0, 2), le(last - first + 1, 2));
    }

    static byte[] wordIo(int first, int last) {
        return join(
                bytes(0x88, 0xd, 0, 1, 0xc, 3), le(0, 2), le(first, 2), le(last, 2), le(0, 2), le(last - first + 1, 2));
    }

    static byte[] dwordMemory(long first, long last) {
        return join(
                bytes(0x87, 0x17, 0, 0, 0xc, 1),
                le(0, 4),
                le(first, 4),
                le(last, 4),
                le(0, 4),
                le(last - first + 1, 4));
    }

    static byte[] qwordMemory(long first, long last) {
        return join(
                bytes(0x8a, 0x2b, 0, 0, 0xc, 1),
                le(0, 8),
                le(first, 8),
                le(last, 8),
                le(0, 8),
                le(last - first + 1, 8));
    }

    private Aml() {}
}
