package serai.machine.nvme;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.UUID;
import serai.machine.disk.Disk;

/** The data structures of Identify: NVMe 1.4, 5.15. */
final class Identify {
    static final int BYTES = 4096;
    private static final int NAMESPACE = 0, CONTROLLER = 1, ACTIVE_NAMESPACES = 2, DESCRIPTORS = 3;
    private static final int EVERY = -1, RESERVED = -2;

    private Identify() {}

    /** The structure that a command asks for. */
    static byte[] data(Disk disk, Command c) throws Status.Failure {
        ByteBuffer b = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        switch (c.cdw(10) & 0xff) {
            case NAMESPACE -> {
                only(c);
                namespace(b, disk);
            }
            case CONTROLLER -> controller(b, disk);
            case ACTIVE_NAMESPACES -> {
                if (c.namespace() == EVERY || c.namespace() == RESERVED) {
                    throw new Status.Failure(Status.INVALID_NAMESPACE);
                }
                if (c.namespace() == 0) {
                    b.putInt(0, Nvme.NAMESPACE);
                }
            }
            case DESCRIPTORS -> {
                only(c);
                UUID id = uuid(disk);
                b.put(0, (byte) 3).put(1, (byte) 16); // of type UUID
                b.order(ByteOrder.BIG_ENDIAN)
                        .putLong(4, id.getMostSignificantBits())
                        .putLong(12, id.getLeastSignificantBits());
            }
            default -> throw new Status.Failure(Status.INVALID_FIELD);
        }
        return b.array();
    }

    private static void only(Command c) throws Status.Failure {
        if (c.namespace() != Nvme.NAMESPACE) {
            throw new Status.Failure(Status.INVALID_NAMESPACE);
        }
    }

    private static UUID uuid(Disk disk) {
        return UUID.nameUUIDFromBytes(("serai-nvme-" + disk.id()).getBytes(StandardCharsets.UTF_8));
    }

    /** Figure 247. */
    private static void controller(ByteBuffer b, Disk disk) {
        b.putShort(0, (short) Nvme.VENDOR).putShort(2, (short) Nvme.SUBSYSTEM_VENDOR);
        text(b, 4, 20, disk.id());
        text(b, 24, 40, "Serai NVMe disk");
        text(b, 64, 8, "1.0");
        b.put(77, (byte) Nvme.MAX_TRANSFER_SHIFT);
        b.putInt(80, Nvme.VERSION);
        b.putInt(92, 1 << 8); // events: changed namespaces
        b.put(111, (byte) 1); // an I/O controller
        b.put(258, (byte) 3); // four Aborts at once
        b.put(259, (byte) (AsyncEvents.MAX_REQUESTS - 1));
        b.put(260, (byte) 3); // one firmware slot, read-only
        b.put(261, (byte) (1 << 2)); // log pages with an offset
        b.putShort(266, (short) 343).putShort(268, (short) 373); // warning and critical temperature in kelvins
        b.put(512, (byte) 0x66).put(513, (byte) 0x44); // entries of 64 and 16 bytes
        b.putInt(516, 1); // namespaces
        b.putShort(520, (short) (1 << 2 | 1 << 3)); // Dataset Management, Write Zeroes
        b.put(525, (byte) 7); // a volatile write cache; Flush takes all namespaces at once
        byte[] nqn = ("nqn.2014-08.org.nvmexpress:uuid:" + uuid(disk)).getBytes(StandardCharsets.US_ASCII);
        b.put(768, nqn);
        b.putShort(2048, (short) 2500); // power state 0: 25 W
    }

    /** Figure 245. */
    private static void namespace(ByteBuffer b, Disk disk) {
        b.putLong(0, disk.sectors()).putLong(8, disk.sectors()).putLong(16, disk.sectors());
        b.put(99, (byte) (disk.readOnly() ? 1 : 0));
        b.put(130, (byte) Nvme.BLOCK_SHIFT); // LBA format 0
    }

    /** ASCII, filled up with spaces. */
    private static void text(ByteBuffer b, int at, int length, String s) {
        byte[] t = new byte[length];
        Arrays.fill(t, (byte) ' ');
        byte[] a = s.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(a, 0, t, 0, Math.min(length, a.length));
        b.put(at, t);
    }
}
