package serai.machine.virtio;

import java.util.ArrayList;
import java.util.List;
import serai.machine.bus.MsiSink;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;
import serai.machine.pci.MsiX;
import serai.machine.pci.PciFunction;

/**
 * The PCI transport of virtio 1.2 (4.1), without the legacy interface.
 *
 * <pre>
 * BAR 1   MSI-X: a vector for the configuration and one for each queue
 * BAR 4   0000 common configuration | 1000 ISR | 2000 device configuration | 3000 notification, 4 bytes a queue
 * </pre>
 */
public final class VirtioPci extends PciFunction<VirtioState> implements VirtioDevice.Transport {
    private static final int COMMON = 0, ISR = 0x1000, CONFIG = 0x2000, NOTIFY = 0x3000, BAR_SIZE = 0x4000;
    private static final int MSIX_BAR = 1, BAR = 4;
    private static final int CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4, CAP_PCI = 5;
    private static final long F_INDIRECT = 1L << 28,
            F_EVENT_IDX = 1L << 29,
            F_VERSION_1 = 1L << 32,
            F_PACKED = 1L << 34,
            F_RING_RESET = 1L << 40;
    private static final int ACKNOWLEDGE_ETC = 0x4f, FEATURES_OK = 8, DRIVER_OK = 4, NEEDS_RESET = 0x40;
    /** No MSI-X vector. */
    static final int NO_VECTOR = 0xffff;

    private static final int COMMON_BYTES = 60;

    private final VirtioDevice device;
    private final Virtqueue[] queues;
    private final MsiX msix;
    private final int pciCapability;

    private long driverFeatures;
    private int deviceSelect;
    private int driverSelect;
    private int queueSelect;
    private int status;
    private int configVector = NO_VECTOR;
    private int generation;
    private int isr;
    private boolean wasBusMaster;
    private boolean broken;

    VirtioPci(String name, VirtioDevice device, GuestMemory memory, MsiSink sink) {
        super(name, 0x1af4, 0x1040 + device.id(), 1, device.classCode(), 0x1af4, 0x1100, 1);
        this.device = device;
        queues = new Virtqueue[device.queues()];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new Virtqueue(i, memory);
        }
        device.transport = this;
        device.memory = memory;
        device.queue = queues;
        msix = new MsiX(queues.length + 1, sink);
        memoryBar(MSIX_BAR, MsiX.BAR_SIZE, false);
        memoryBar(BAR, BAR_SIZE, true);
        useMsiX(msix, MSIX_BAR);
        capability(CAP_COMMON, COMMON, COMMON_BYTES);
        capability(CAP_NOTIFY, NOTIFY, queues.length * 4, 4, 0, 0, 0);
        capability(CAP_ISR, ISR, 1);
        capability(CAP_DEVICE, CONFIG, 0x1000);
        pciCapability = pciAccess();
    }

    /** A vendor capability (4.1.4): length, type, BAR, id, padding, offset, length, and what follows. */
    private int capability(int type, int offset, int length, int... more) {
        byte[] b = new byte[14 + more.length];
        b[0] = (byte) (16 + more.length);
        b[1] = (byte) type;
        b[2] = BAR;
        for (int i = 0; i < 4; i++) {
            b[6 + i] = (byte) (offset >>> i * 8);
            b[10 + i] = (byte) (length >>> i * 8);
        }
        for (int i = 0; i < more.length; i++) {
            b[14 + i] = (byte) more[i];
        }
        return addCapability(9, b, new byte[b.length]);
    }

    /** The window on the BAR in configuration space (4.1.4.9). */
    private int pciAccess() {
        byte[] b = new byte[18];
        b[0] = 20;
        b[1] = CAP_PCI;
        byte[] w = new byte[18];
        w[2] = (byte) 0xff;
        for (int i = 6; i < 18; i++) {
            w[i] = (byte) 0xff;
        }
        return addCapability(9, b, w);
    }

    private int windowField(int at) {
        int v = 0;
        for (int i = 3; i >= 0; i--) {
            v = v << 8 | configByte(pciCapability + at + i);
        }
        return v;
    }

    private boolean windowValid() {
        int length = windowField(12);
        int offset = windowField(8);
        return configByte(pciCapability + 4) == BAR
                && (length == 1 || length == 2 || length == 4)
                && offset >= 0
                && offset <= BAR_SIZE - length;
    }

    private boolean inWindow(int offset, int size) {
        return offset < pciCapability + 20 && offset + size > pciCapability + 16;
    }

    @Override
    protected void configRead(int offset, int size) {
        if (inWindow(offset, size) && windowValid()) {
            long v = readBar(BAR, windowField(8), windowField(12));
            for (int i = 0; i < 4; i++) {
                configByte(pciCapability + 16 + i, (int) (v >>> i * 8));
            }
        }
    }

    @Override
    protected void configWritten(int offset, int size) {
        boolean now = busMaster();
        boolean resumes = now && !wasBusMaster;
        wasBusMaster = now;
        if (resumes) {
            device.resume();
            for (int q = 0; q < queues.length; q++) {
                notified(q);
            }
        }
        if (inWindow(offset, size) && windowValid()) {
            writeBar(BAR, windowField(8), windowField(12), windowField(16) & 0xffffffffL);
        }
    }

    // ---- BAR ----

    private long offered() {
        return device.features() | F_INDIRECT | F_EVENT_IDX | F_VERSION_1 | F_PACKED | F_RING_RESET;
    }

    @Override
    protected long readBar(int bar, long offset, int size) {
        if (offset >= NOTIFY) {
            return 0;
        }
        if (offset >= CONFIG) {
            long v = 0;
            for (int i = 0; i < size; i++) {
                v |= (long) (device.configByte((int) offset - CONFIG + i) & 0xff) << i * 8;
            }
            return v;
        }
        if (offset >= ISR) {
            int v = isr;
            isr = 0;
            setLine(false);
            return v;
        }
        // fields are read in their own size or as parts of it
        int at = (int) offset;
        int field = field(at);
        return common(field) >>> (at - field) * 8 & (size == 8 ? -1L : (1L << size * 8) - 1);
    }

    /** The start of the common configuration's field that holds an offset (4.1.4.3). */
    private static int field(int at) {
        if (at < 16) {
            return at & ~3;
        }
        if (at == 20 || at == 21) {
            return at;
        }
        return at < 32 || at >= 56 ? at & ~1 : at & ~7;
    }

    private long common(int field) {
        Virtqueue q = queueSelect < queues.length ? queues[queueSelect] : null;
        return switch (field) {
            case 0 -> deviceSelect;
            case 4 -> deviceSelect < 2 ? offered() >>> deviceSelect * 32 & 0xffffffffL : 0;
            case 8 -> driverSelect;
            case 12 -> driverSelect < 2 ? driverFeatures >>> driverSelect * 32 & 0xffffffffL : 0;
            case 16 -> configVector;
            case 18 -> queues.length;
            case 20 -> status;
            case 21 -> generation;
            case 22 -> queueSelect;
            case 24 -> q == null ? 0 : q.size;
            case 26 -> q == null ? NO_VECTOR : q.vector;
            case 28 -> q != null && q.enabled ? 1 : 0;
            case 30 -> q == null ? 0 : q.index;
            case 32 -> q == null ? 0 : q.descriptors;
            case 40 -> q == null ? 0 : q.available;
            case 48 -> q == null ? 0 : q.used;
            case 56 -> q == null ? 0 : q.index;
            default -> 0;
        };
    }

    @Override
    protected void writeBar(int bar, long offset, int size, long value) {
        if (offset >= NOTIFY) {
            notified((int) (offset - NOTIFY) / 4);
        } else if (offset >= CONFIG) {
            device.configWritten((int) offset - CONFIG, size, value);
        } else if (offset < ISR) {
            writeCommon((int) offset, size, value);
        }
    }

    private void notified(int n) {
        if (n >= queues.length || !runs()) {
            return;
        }
        try {
            device.notified(queues[n]);
        } catch (Virtqueue.Malformed | GuestAddressException e) {
            broken(String.valueOf(e.getMessage()));
        }
    }

    private void writeCommon(int at, int size, long value) {
        Virtqueue q = queueSelect < queues.length ? queues[queueSelect] : null;
        int v = (int) value;
        switch (at) {
            case 0 -> deviceSelect = v;
            case 8 -> driverSelect = v;
            case 12 -> {
                if ((driverSelect == 0 || driverSelect == 1) && (status & FEATURES_OK) == 0) {
                    int shift = driverSelect * 32;
                    driverFeatures = driverFeatures & ~(0xffffffffL << shift) | (v & 0xffffffffL) << shift;
                    queueFeatures();
                }
            }
            case 16 -> configVector = vector(v);
            case 20 -> writeStatus(v & 0xff);
            case 22 -> queueSelect = v & 0xffff;
            case 24 -> {
                int n = v & 0xffff;
                if (q != null && !q.enabled && q.allowsSize(n)) {
                    q.size = n;
                }
            }
            case 26 -> {
                if (q != null) {
                    q.vector = vector(v);
                }
            }
            case 28 -> {
                if (q != null && (v & 0xffff) == 1) {
                    q.enabled = true;
                }
            }
            case 58 -> {
                // 4.1.4.3.2: done at once, so it reads as 0 again
                if (q != null && (v & 0xffff) == 1 && (driverFeatures & F_RING_RESET) != 0) {
                    device.reset(q);
                    q.reset();
                }
            }
            case 32, 36, 40, 44, 48, 52 -> {
                if (q != null && !q.enabled) {
                    writeAddress(q, at, size, value);
                }
            }
            default -> {}
        }
    }

    private void queueFeatures() {
        device.negotiated(driverFeatures);
        for (Virtqueue q : queues) {
            q.features(
                    (driverFeatures & F_EVENT_IDX) != 0,
                    (driverFeatures & F_INDIRECT) != 0,
                    (driverFeatures & F_PACKED) != 0);
        }
    }

    private static void writeAddress(Virtqueue q, int at, int size, long value) {
        int field = at & ~7;
        long old = field == 32 ? q.descriptors : field == 40 ? q.available : q.used;
        long v;
        if (size == 8) {
            v = value;
        } else if ((at & 4) == 0) {
            v = old & ~0xffffffffL | value & 0xffffffffL;
        } else {
            v = old & 0xffffffffL | value << 32;
        }
        switch (field) {
            case 32 -> q.descriptors = v;
            case 40 -> q.available = v;
            default -> q.used = v;
        }
    }

    private int vector(int v) {
        return (v & 0xffff) <= queues.length ? v & 0xffff : NO_VECTOR;
    }

    private void writeStatus(int v) {
        if (v == 0) {
            resetDevice();
            return;
        }
        int next = v & ACKNOWLEDGE_ETC | status & NEEDS_RESET;
        if ((next & FEATURES_OK) != 0 && (status & FEATURES_OK) == 0) {
            if ((driverFeatures & ~offered()) != 0 || (driverFeatures & F_VERSION_1) == 0) {
                next &= ~FEATURES_OK;
            }
        }
        status = next;
    }

    private void resetDevice() {
        device.reset();
        for (Virtqueue q : queues) {
            q.reset();
        }
        driverFeatures = 0;
        queueFeatures();
        deviceSelect = 0;
        driverSelect = 0;
        queueSelect = 0;
        status = 0;
        configVector = NO_VECTOR;
        generation = 0;
        isr = 0;
        broken = false;
        setLine(false);
    }

    // ---- Transport ----

    @Override
    public boolean runs() {
        return (status & DRIVER_OK) != 0 && !broken && busMaster();
    }

    @Override
    public boolean mayAccessMemory() {
        return busMaster();
    }

    @Override
    public void usedBuffers(Virtqueue q) {
        boolean wanted;
        try {
            wanted = q.shouldInterrupt();
        } catch (GuestAddressException e) {
            broken(String.valueOf(e.getMessage()));
            return;
        }
        if (wanted) {
            interrupt(q.vector, 1);
        }
    }

    private void interrupt(int vector, int reason) {
        if (msixEnabled()) {
            if (vector != NO_VECTOR) {
                msix.notify(this, vector);
            }
        } else {
            isr |= reason;
            setLine(true);
        }
    }

    /** What the device's configuration tells has changed, such as the size of its disk: the driver is told. With the machine lock held. */
    /** {@inheritDoc} Of a disk's capacity whoever resizes it tells here, with the machine lock held. */
    @Override
    public void configChanged() {
        generation = generation + 1 & 0xff;
        if ((status & DRIVER_OK) != 0) {
            interrupt(configVector, 2);
        }
    }

    @Override
    public void broken(String why) {
        if (!broken) {
            broken = true;
            System.getLogger("serai.virtio").log(System.Logger.Level.WARNING, "{0}: stopped: {1}", name(), why);
            status |= NEEDS_RESET;
            if ((status & DRIVER_OK) != 0) {
                interrupt(configVector, 2);
            }
        }
    }

    // ---- Device ----

    @Override
    public void reset() {
        sleep();
        device.systemReset();
    }

    /** {@inheritDoc} What outlives a reset of the device alone, plugged memory, outlives S3. */
    @Override
    public void sleep() {
        resetPci();
        wasBusMaster = false;
        resetDevice();
    }

    @Override
    public VirtioState save() {
        List<QueueState> saved = new ArrayList<>();
        for (Virtqueue q : queues) {
            saved.add(q.save());
        }
        return new VirtioState(
                2,
                savePci(),
                driverFeatures,
                deviceSelect,
                driverSelect,
                queueSelect,
                status,
                configVector,
                generation,
                isr,
                broken,
                saved,
                device.saveWork());
    }

    @Override
    public void restore(VirtioState s) {
        if (s.version() != 2 || s.queues().size() != queues.length) {
            throw new IllegalArgumentException("virtio state of version " + s.version());
        }
        device.reset();
        restorePci(s.pci());
        driverFeatures = s.driverFeatures();
        deviceSelect = s.deviceSelect();
        driverSelect = s.driverSelect();
        queueSelect = s.queueSelect() & 0xffff;
        status = s.status();
        configVector = vector(s.configVector());
        generation = s.generation() & 0xff;
        isr = s.isr();
        broken = s.broken();
        wasBusMaster = busMaster();
        queueFeatures();
        for (int i = 0; i < queues.length; i++) {
            queues[i].restore(s.queues().get(i));
        }
        try {
            device.restoreWork(s.work());
        } catch (Virtqueue.Malformed | GuestAddressException e) {
            broken(String.valueOf(e.getMessage()));
        }
    }

    @Override
    public Class<VirtioState> stateType() {
        return VirtioState.class;
    }
}
