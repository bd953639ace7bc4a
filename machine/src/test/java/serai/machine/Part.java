package serai.machine;

import java.util.Locale;

/**
 * The parts of the machine: what the sweeps and fuzz targets go through, one after the other. SaveAnywhereTest, HostileGuest and DeviceFuzzTest
 * do something with each.
 */
public enum Part {
    LOCAL_APIC,
    IO_APIC,
    PIC,
    PIT,
    HPET,
    RTC,
    PM,
    UART,
    DEBUG,
    PCI,
    MSIX,
    PCI_HOTPLUG,
    VIRTIO_CONSOLE,
    VIRTIO_RNG,
    VIRTIO_BLK,
    NVME,
    /** Any port. */
    PORTS,
    /** Any address outside RAM. */
    MEMORY,
    VIRTIO_MEM,
    CPU_HOTPLUG,
    AHCI,
    VIRTIO_BALLOON,
    VIRTIO_NET,
    E1000,
    VIRTIO_VSOCK,
    VIRTIO9P,
    /** One of those above, another each time. */
    ALL;

    /** How many there are beside {@link #ALL}. */
    static final int SINGLE = values().length - 1;

    /** The name of its method in DeviceFuzzTest. */
    String target() {
        StringBuilder name = new StringBuilder();
        for (String word : name().toLowerCase(Locale.ROOT).split("_")) {
            name.append(name.isEmpty() ? word : word.substring(0, 1).toUpperCase(Locale.ROOT) + word.substring(1));
        }
        return name.toString();
    }
}
