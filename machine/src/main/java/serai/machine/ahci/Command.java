package serai.machine.ahci;

import java.util.Arrays;
import java.util.PrimitiveIterator;
import java.util.stream.LongStream;
import serai.machine.disk.GuestBuffers;
import serai.machine.memory.GuestMemory;

/**
 * A command of a port's list, as it stood in memory when the port took it: what the driver does to it afterwards changes nothing.
 *
 * <pre>
 * header (AHCI 1.3.1, 4.2.2):  0 flags (CFL 4:0, A 5, W 6, R 8, B 9, C 10, PMP 15:12, PRDTL 31:16) | 4 PRDBC | 8 table (8)
 * table (4.2.3):               00 command FIS | 40 ATAPI command | 80 PRDT
 * PRDT entry:                  0 address (8) | c bytes less one (21:0), I (31)
 * command FIS, from the host:  0 27h | 1 C 7 | 2 command | 3 features | 4 LBA 23:0 | 7 device | 8 LBA 47:24 | b features 15:8
 *                              c count (2) | f control
 * </pre>
 */
final class Command {
    static final int HEADER = 32, BYTES_DONE = 4;
    /** Entries of a PRDT at most; drivers use some hundreds. Without a bound a guest could have us hold 65535 for each of 256 slots. */
    static final int MAX_PRDT = 2048;

    private static final int TABLE = 8, PACKET = 0x40, PACKET_BYTES = 16, PRDT = 0x80, PRD = 16;
    private static final int FIS_BYTES = 20, HOST_TO_DEVICE = 0x27;
    private static final int BUILT_IN_TEST = 1 << 9, CLEAR_BUSY = 1 << 10;
    private static final int MAX_COUNT_28 = 256, MAX_COUNT_48 = 65536;
    private static final int QUEUED_READ = 0x60, QUEUED_WRITE = 0x61;

    final int slot;
    private final int flags;
    private final byte[] fis;
    private final byte[] packet;
    /** Address and length in turn. */
    private final long[] prdt;
    /** Whether an entry asks for an interrupt when it has been transferred. */
    final boolean interrupts;

    private Command(int slot, int flags, byte[] fis, byte[] packet, long[] prdt, boolean interrupts) {
        this.slot = slot;
        this.flags = flags;
        this.fis = fis;
        this.packet = packet;
        this.prdt = prdt;
        this.interrupts = interrupts;
    }

    /**
     * Reads the one of a slot.
     *
     * @param list of commands, guest-physical
     * @throws Refused if no device could get it
     * @throws serai.machine.memory.GuestAddressException if it is not in RAM
     */
    static Command read(GuestMemory memory, long list, int slot) throws Refused {
        long header = list + slot * HEADER;
        int flags = memory.readInt(header);
        long table = memory.readLong(header + TABLE) & -PRDT;
        int entries = flags >>> 16;
        if ((flags & 0x1f) * 4 < FIS_BYTES || (flags & BUILT_IN_TEST) != 0 || (flags >>> 12 & 0xf) != 0) {
            throw new Refused("slot %d has no command for this device: %#x".formatted(slot, flags));
        }
        if (entries > MAX_PRDT) {
            throw new Refused("slot %d has %d buffers, and %d can be had".formatted(slot, entries, MAX_PRDT));
        }
        byte[] fis = memory.read(table, FIS_BYTES);
        if ((fis[0] & 0xff) != HOST_TO_DEVICE || (fis[1] & 0xf) != 0) {
            throw new Refused("slot %d has a FIS of type %#x".formatted(slot, fis[0]));
        }
        long[] prdt = new long[2 * entries];
        boolean interrupts = false;
        for (int i = 0; i < entries; i++) {
            int last = memory.readInt(table + PRDT + i * PRD + 12);
            prdt[2 * i] = memory.readLong(table + PRDT + i * PRD);
            prdt[2 * i + 1] = (last & 0x3fffff) + 1;
            interrupts |= last < 0;
        }
        return new Command(slot, flags, fis, memory.read(table + PACKET, PACKET_BYTES), prdt, interrupts);
    }

    /** The driver has put something into a slot that is no command. */
    static final class Refused extends Exception {
        private static final long serialVersionUID = 1L;

        Refused(String why) {
            super(why, null, false, false);
        }
    }

    /** Whether it is one, and not a change of the device control register. */
    boolean isCommand() {
        return (fis[1] & 0x80) != 0;
    }

    int control() {
        return fis[15] & 0xff;
    }

    /** Whether the port is to forget it as soon as the device has it. */
    boolean clearsBusy() {
        return (flags & CLEAR_BUSY) != 0;
    }

    int opcode() {
        return fis[2] & 0xff;
    }

    int features() {
        return fis[3] & 0xff | (fis[11] & 0xff) << 8;
    }

    int device() {
        return fis[7] & 0xff;
    }

    long lba48() {
        return lba24(4) | (long) lba24(8) << 24;
    }

    int lba28() {
        return lba24(4) | (fis[7] & 0xf) << 24;
    }

    private int lba24(int at) {
        return fis[at] & 0xff | (fis[at + 1] & 0xff) << 8 | (fis[at + 2] & 0xff) << 16;
    }

    /** The count register as it is. */
    int count() {
        return fis[12] & 0xff | (fis[13] & 0xff) << 8;
    }

    /** As a number of sectors, where none stands for the most. */
    int sectors28() {
        int n = fis[12] & 0xff;
        return n == 0 ? MAX_COUNT_28 : n;
    }

    int sectors48() {
        return count() == 0 ? MAX_COUNT_48 : count();
    }

    /** Native command queuing: the tag stands in the count, the count in the features (ACS-3, 7.33). */
    boolean isQueued() {
        return isCommand() && (opcode() == QUEUED_READ || opcode() == QUEUED_WRITE);
    }

    int tag() {
        return fis[12] >>> 3 & 0x1f;
    }

    int queuedSectors() {
        return features() == 0 ? MAX_COUNT_48 : features();
    }

    /** A byte of the ATAPI command. */
    int packet(int at) {
        return packet[at] & 0xff;
    }

    int packet16(int at) {
        return packet(at) << 8 | packet(at + 1);
    }

    long packet32(int at) {
        return (long) packet16(at) << 16 | packet16(at + 2);
    }

    /**
     * Its memory, as far as that and {@code bytes} reach.
     *
     * @param fill whether the device writes to it
     * @throws serai.machine.memory.GuestAddressException if a byte of it is not RAM
     */
    GuestBuffers buffers(GuestMemory memory, long bytes, boolean fill) {
        GuestBuffers b = new GuestBuffers(memory, fill);
        for (int i = 0; i < prdt.length && b.bytes() < bytes; i += 2) {
            b.add(prdt[i], (int) Math.min(prdt[i + 1], bytes - b.bytes()));
        }
        return b;
    }

    // ---- state ----

    void save(LongStream.Builder to) {
        to.add(slot).add(flags & 0xffffffffL | (interrupts ? 1L << 32 : 0));
        byte[] fixed = Arrays.copyOf(fis, 24 + PACKET_BYTES);
        System.arraycopy(packet, 0, fixed, 24, PACKET_BYTES);
        for (int i = 0; i < fixed.length; i += 8) {
            long v = 0;
            for (int k = 7; k >= 0; k--) {
                v = v << 8 | fixed[i + k] & 0xff;
            }
            to.add(v);
        }
        for (long p : prdt) {
            to.add(p);
        }
    }

    /**
     * Reads one back.
     *
     * @throws IllegalArgumentException if that is none
     * @throws java.util.NoSuchElementException likewise
     */
    static Command restore(PrimitiveIterator.OfLong from) {
        long slot = from.nextLong();
        long flags = from.nextLong();
        int entries = (int) flags >>> 16;
        if (slot < 0 || slot > 31 || entries > MAX_PRDT) {
            throw new IllegalArgumentException("an AHCI command of slot %d with %d buffers".formatted(slot, entries));
        }
        byte[] fixed = new byte[24 + PACKET_BYTES];
        for (int i = 0; i < fixed.length; i += 8) {
            long v = from.nextLong();
            for (int k = 0; k < 8; k++) {
                fixed[i + k] = (byte) (v >>> k * 8);
            }
        }
        long[] prdt = new long[2 * entries];
        for (int i = 0; i < prdt.length; i++) {
            prdt[i] = from.nextLong();
            if ((i & 1) != 0 && (prdt[i] < 1 || prdt[i] > 1 << 22)) {
                throw new IllegalArgumentException("an AHCI buffer of " + prdt[i] + " bytes");
            }
        }
        return new Command(
                (int) slot,
                (int) flags,
                Arrays.copyOf(fixed, FIS_BYTES),
                Arrays.copyOfRange(fixed, 24, fixed.length),
                prdt,
                (flags >>> 32 & 1) != 0);
    }
}
