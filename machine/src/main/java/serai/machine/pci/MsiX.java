package serai.machine.pci;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import serai.machine.bus.MsiSink;

/**
 * MSI-X of a function (PCI 3.0, 6.8.2): its table and pending bits.
 *
 * <pre>
 * entry:  0 address low | 4 address high | 8 data | 12 vector control (bit 0: masked)
 * BAR:    0 table, {@value #PENDING} (0x800) pending bits
 * </pre>
 */
public final class MsiX {
    /** Offset of the pending bits in the BAR. */
    static final int PENDING = 0x800;
    /** Bytes of the BAR. */
    public static final int BAR_SIZE = 0x1000;

    private static final int MASKED = 1;

    private final MsiSink sink;
    private final byte[] bytes = new byte[BAR_SIZE];
    private final ByteBuffer table = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    private final int vectors;
    /** Offset of the message control word in configuration space. */
    int control;

    /**
     * A table.
     *
     * @param vectors 1 to 128
     */
    public MsiX(int vectors, MsiSink sink) {
        if (vectors < 1 || vectors > 128) {
            throw new IllegalArgumentException(vectors + " vectors");
        }
        this.vectors = vectors;
        this.sink = sink;
        reset();
    }

    int vectors() {
        return vectors;
    }

    int bar(PciFunction<?> f) {
        return f.configByte(control + 2) & 7;
    }

    boolean enabled(PciFunction<?> f) {
        return (f.configByte(control + 1) & 0x80) != 0;
    }

    private boolean functionMasked(PciFunction<?> f) {
        return (f.configByte(control + 1) & 0x40) != 0;
    }

    /** Sends vector {@code n} of {@code f}, or notes it while it is masked, or while {@code f} may not write to memory. A number past the table is ignored. */
    public void notify(PciFunction<?> f, int n) {
        if (n < 0 || n >= vectors || !enabled(f)) {
            return;
        }
        // a message is a write to memory, which a function may not do without its bus-master bit
        if (!f.busMaster() || functionMasked(f) || (table.getInt(n * 16 + 12) & MASKED) != 0) {
            bytes[PENDING + n / 8] |= (byte) (1 << (n & 7));
        } else {
            sink.send(table.getLong(n * 16), table.getInt(n * 16 + 8));
        }
    }

    void controlWritten(PciFunction<?> f) {
        for (int n = 0; n < vectors; n++) {
            sendPending(f, n);
        }
    }

    private void sendPending(PciFunction<?> f, int n) {
        if ((bytes[PENDING + n / 8] & 1 << (n & 7)) != 0
                && enabled(f)
                && f.busMaster()
                && !functionMasked(f)
                && (table.getInt(n * 16 + 12) & MASKED) == 0) {
            bytes[PENDING + n / 8] &= (byte) ~(1 << (n & 7));
            notify(f, n);
        }
    }

    long read(long offset, int size) {
        long v = 0;
        for (int i = 0; i < size; i++) {
            v |= (bytes[(int) offset + i] & 0xffL) << i * 8;
        }
        return v;
    }

    void write(PciFunction<?> f, long offset, int size, long value) {
        // only aligned doublewords and quadwords of the table are defined
        if (size < 4 || (offset & size - 1) != 0 || offset + size > vectors * 16L) {
            return;
        }
        for (int i = 0; i < size; i++) {
            bytes[(int) offset + i] = (byte) (value >>> i * 8);
        }
        sendPending(f, (int) offset / 16);
    }

    void reset() {
        Arrays.fill(bytes, (byte) 0);
        for (int n = 0; n < vectors; n++) {
            table.putInt(n * 16 + 12, MASKED);
        }
    }

    byte[] save() {
        return bytes.clone();
    }

    void restore(byte[] saved) {
        if (saved.length != bytes.length) {
            throw new IllegalArgumentException("MSI-X table of " + saved.length + " bytes");
        }
        System.arraycopy(saved, 0, bytes, 0, bytes.length);
    }
}
