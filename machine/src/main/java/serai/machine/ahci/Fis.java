package serai.machine.ahci;

import serai.machine.memory.GuestMemory;

/**
 * What a device sends, as it lies in the port's receive area (AHCI 1.3.1, 4.2.1; SATA 3.1, 10.5).
 *
 * <pre>
 * area:             20 PIO Setup | 40 registers | 58 Set Device Bits
 * registers:        0 34h | 1 I 6 | 2 status | 3 error | 4 LBA 23:0 | 7 device | 8 LBA 47:24 | c count (2)
 * PIO Setup:        0 5fh | 1 D 5, I 6 | then as registers | f ending status | 10 bytes (2)
 * Set Device Bits:  0 a1h | 1 I 6 | 2 status 6:4, 2:0 | 3 error | 4 tags that are done
 * </pre>
 */
final class Fis {
    private static final int AREA_PIO_SETUP = 0x20, AREA_REGISTERS = 0x40, AREA_DEVICE_BITS = 0x58;
    private static final int REGISTERS = 0x34, PIO_SETUP = 0x5f, DEVICE_BITS = 0xa1;
    private static final int INTERRUPT = 0x40, TO_HOST = 0x20;

    private final GuestMemory memory;
    private final long area;

    /** Into a receive area. */
    Fis(GuestMemory memory, long area) {
        this.memory = memory;
        this.area = area;
    }

    void registers(Result.Done d, boolean interrupt) {
        byte[] f = registers(REGISTERS, interrupt ? INTERRUPT : 0, d.status(), d);
        memory.write(area + AREA_REGISTERS, f);
    }

    void pioSetup(Result.Done d) {
        byte[] f = registers(PIO_SETUP, TO_HOST | INTERRUPT, Result.READY | Result.DATA_REQUEST, d);
        f[15] = (byte) d.status();
        f[16] = (byte) d.bytes();
        f[17] = (byte) (d.bytes() >>> 8);
        memory.write(area + AREA_PIO_SETUP, f);
    }

    private static byte[] registers(int type, int flags, int status, Result.Done d) {
        byte[] f = new byte[20];
        f[0] = (byte) type;
        f[1] = (byte) flags;
        f[2] = (byte) status;
        f[3] = (byte) d.error();
        for (int i = 0; i < 3; i++) {
            f[4 + i] = (byte) (d.lba() >>> i * 8);
            f[8 + i] = (byte) (d.lba() >>> 24 + i * 8);
        }
        f[7] = (byte) d.device();
        f[12] = (byte) d.count();
        f[13] = (byte) (d.count() >>> 8);
        return f;
    }

    void deviceBits(Result.Done d, int tags) {
        byte[] f = {
            (byte) DEVICE_BITS,
            INTERRUPT,
            (byte) (d.status() & 0x77),
            (byte) d.error(),
            (byte) tags,
            (byte) (tags >>> 8),
            (byte) (tags >>> 16),
            (byte) (tags >>> 24)
        };
        memory.write(area + AREA_DEVICE_BITS, f);
    }
}
