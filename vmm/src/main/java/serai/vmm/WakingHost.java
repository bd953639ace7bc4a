package serai.vmm;

import serai.machine.engine.CpuModel;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.InterruptSource;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;

/** A vCPU's host that also wakes the thread that waits for its next interrupt: a source has but one listener. */
final class WakingHost implements VcpuHost {
    private final VcpuHost host;
    private final Runnable wake;
    private final InterruptSource interrupts = new Source();

    WakingHost(VcpuHost host, Runnable wake) {
        this.host = host;
        this.wake = wake;
        host.interrupts().onPending(wake);
    }

    private final class Source implements InterruptSource {
        @Override
        public boolean pending() {
            return host.interrupts().pending();
        }

        @Override
        public boolean externalPending() {
            return host.interrupts().externalPending();
        }

        @Override
        public int acknowledge() {
            return host.interrupts().acknowledge();
        }

        @Override
        public boolean takeNmi() {
            return host.interrupts().takeNmi();
        }

        @Override
        public boolean takeInit() {
            return host.interrupts().takeInit();
        }

        @Override
        public int takeStartup() {
            return host.interrupts().takeStartup();
        }

        @Override
        public int taskPriority() {
            return host.interrupts().taskPriority();
        }

        @Override
        public void taskPriority(int priority) {
            host.interrupts().taskPriority(priority);
        }

        @Override
        public void onPending(Runnable action) {
            host.interrupts().onPending(() -> {
                action.run();
                wake.run();
            });
        }
    }

    @Override
    public int index() {
        return host.index();
    }

    @Override
    public GuestMemory memory() {
        return host.memory();
    }

    @Override
    public int portRead(int port, int size) {
        return host.portRead(port, size);
    }

    @Override
    public void portWrite(int port, int size, int value) {
        host.portWrite(port, size, value);
    }

    @Override
    public long mmioRead(long physical, int size) {
        return host.mmioRead(physical, size);
    }

    @Override
    public void mmioWrite(long physical, int size, long value) {
        host.mmioWrite(physical, size, value);
    }

    @Override
    public InterruptSource interrupts() {
        return interrupts;
    }

    @Override
    public long tsc() {
        return host.tsc();
    }

    @Override
    public CpuModel model() {
        return host.model();
    }

    @Override
    public boolean ownsMsr(int index) {
        return host.ownsMsr(index);
    }

    @Override
    public long readMsr(int index) throws GeneralProtection {
        return host.readMsr(index);
    }

    @Override
    public void writeMsr(int index, long value) throws GeneralProtection {
        host.writeMsr(index, value);
    }

    @Override
    public long random() {
        return host.random();
    }
}
