package serai.machine.ahci;

import java.util.ArrayList;
import java.util.List;
import serai.machine.bus.MmioBus;
import serai.machine.bus.PortBus;
import serai.machine.disk.HeldIo;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.TestMemory;
import serai.machine.pci.PciBus;

/** An adapter on a PCI bus, with a driver. */
final class AhciFixture {
    private static final long AREA = 0x100000;

    final GuestMemory memory;
    final HeldIo io = new HeldIo();
    final List<Integer> messages = new ArrayList<>();
    final List<Boolean> line = new ArrayList<>();
    final Ahci ahci;
    final AhciDriver driver;
    private final PortBus ports = new PortBus();
    private final MmioBus mmio = new MmioBus();

    AhciFixture(SataDevice... devices) {
        this(TestMemory.ram(4 << 20), devices);
    }

    AhciFixture(GuestMemory memory, SataDevice... devices) {
        this.memory = memory;
        ahci = new Ahci("ahci0", List.of(devices), () -> io, memory, (address, data) -> messages.add(data));
        PciBus bus = new PciBus(ports, mmio, gsi -> line::add);
        bus.add(1, ahci);
        ahci.reset();
        bus.assignBars();
        config(4, 6);
        driver = driverOf(read(0x24) & 0xfffffff0L);
    }

    private AhciDriver driverOf(long bar) {
        return new AhciDriver(
                memory,
                new AhciDriver.Access() {
                    @Override
                    public long read(long address, int size) {
                        return mmio.read(address, size);
                    }

                    @Override
                    public void write(long address, int size, long value) {
                        mmio.write(address, size, value);
                    }
                },
                bar,
                AREA);
    }

    void config(int offset, int value) {
        ports.write(0xcf8, 4, 0x80000800 | offset);
        ports.write(0xcfc, 4, value);
    }

    int read(int offset) {
        ports.write(0xcf8, 4, 0x80000800 | offset);
        return ports.read(0xcfc, 4);
    }

    /** Starts all ports. */
    AhciFixture start() {
        for (int p = 0; p < Ahci.PORTS; p++) {
            if ((driver.register(0xc) & 1 << p) != 0) {
                driver.start(p);
            }
        }
        return this;
    }

    /** Does what is held; the status and error registers of port 0 then. */
    int finish() {
        io.doAll();
        return driver.port(0, AhciDriver.TFD);
    }
}
