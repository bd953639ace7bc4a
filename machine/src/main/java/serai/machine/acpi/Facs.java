package serai.machine.acpi;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import serai.machine.Layout;
import serai.machine.memory.GuestMemory;

/**
 * The FACS (ACPI 6.5, 5.2.10), by which the operating system tells whoever wakes the machine where it goes on.
 *
 * <pre>
 *   0  "FACS"                        24  X_Firmware_Waking_Vector (8)
 *   4  length (4)                    32  version (1)
 *   8  hardware signature (4)        36  OSPM flags (4)
 *  12  Firmware_Waking_Vector (4)
 *  16  global lock (4)
 *  20  flags (4)
 * </pre>
 */
public final class Facs {
    /** Where it is: the first of the tables, so that the guest finds it at the same place each time. */
    static final long ADDRESS = Layout.ACPI_TABLES;

    static final int LENGTH = 64;
    private static final int VECTOR = 12, FLAGS = 20, X_VECTOR = 24, VERSION = 32, OSPM_FLAGS = 36;
    private static final int WAKE_64_SUPPORTED = 1 << 1, WAKE_64 = 1;

    private Facs() {}

    static byte[] table() {
        ByteBuffer b = ByteBuffer.allocate(LENGTH).order(ByteOrder.LITTLE_ENDIAN);
        b.put("FACS".getBytes(StandardCharsets.US_ASCII)).putInt(LENGTH);
        b.putInt(FLAGS, WAKE_64_SUPPORTED);
        b.put(VERSION, (byte) 2);
        return b.array();
    }

    /** In what the guest wants to be woken. */
    public enum Environment {
        /** Nowhere: it has left no vector. */
        NONE,
        /** Real mode, at an address below 1 MiB. */
        REAL,
        /** Flat protected mode without paging. */
        FLAT_32,
        /** Long mode, the vector's page mapped one to one. */
        LONG_64
    }

    /**
     * Where the guest wants to be woken.
     *
     * @param address physical
     */
    public record WakingVector(Environment environment, long address) {}

    /** What the guest has left; the wider vector counts if there is one. */
    public static WakingVector wakingVector(GuestMemory memory) {
        long wide = memory.readLong(ADDRESS + X_VECTOR);
        if (wide != 0) {
            boolean longMode = (memory.readInt(ADDRESS + OSPM_FLAGS) & WAKE_64) != 0;
            return new WakingVector(longMode ? Environment.LONG_64 : Environment.FLAT_32, wide);
        }
        long vector = memory.readInt(ADDRESS + VECTOR) & 0xffffffffL;
        return new WakingVector(vector == 0 ? Environment.NONE : Environment.REAL, vector);
    }
}
