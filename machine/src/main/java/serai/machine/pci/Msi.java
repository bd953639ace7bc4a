package serai.machine.pci;

import serai.machine.bus.MsiSink;

/**
 * MSI of a function (PCI 3.0, 6.8.1): one message, with an address of 64 bits. All of its state is in configuration space.
 *
 * <pre>
 * capability:  2 control (bit 0: enabled, 7: 64 bits) | 4 address low | 8 address high | c data (16 bits)
 * </pre>
 */
public final class Msi {
    static final int ID = 5;
    private static final int CONTROL = 2, ADDRESS = 4, DATA = 0xc;
    private static final int ENABLE = 1, WIDE = 0x80;

    /** What follows id and next pointer, and which bits of it a guest may write. */
    static final byte[] BODY = {(byte) WIDE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

    static final byte[] BODY_WRITABLE = {ENABLE, 0, -4, -1, -1, -1, -1, -1, -1, -1, -1, -1};

    private final MsiSink sink;
    /** Offset of the capability. */
    int at;

    /** Sends to {@code sink}. */
    public Msi(MsiSink sink) {
        this.sink = sink;
    }

    /** Whether the guest has enabled it. */
    public boolean enabled(PciFunction<?> f) {
        return (f.configByte(at + CONTROL) & ENABLE) != 0;
    }

    /** Sends the message of {@code f}. One that may not write to memory, as its bus-master bit is off, or has MSI not enabled, sends none. */
    public void send(PciFunction<?> f) {
        if (enabled(f) && f.busMaster()) {
            sink.send(field(f, ADDRESS, 8), (int) field(f, DATA, 2));
        }
    }

    private long field(PciFunction<?> f, int offset, int bytes) {
        long v = 0;
        for (int i = 0; i < bytes; i++) {
            v |= (long) f.configByte(at + offset + i) << i * 8;
        }
        return v;
    }
}
