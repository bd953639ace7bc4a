package serai.machine;

import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.code_intelligence.jazzer.junit.FuzzTest;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A fuzz target for each device. In an ordinary run the inputs kept in {@code DeviceFuzzTestInputs} go through again; GuidedFuzzTest looks for
 * new ones, and so does {@code JAZZER_FUZZ=1 mvn -pl machine -am test -Dtest=DeviceFuzzTest#pit}.
 */
class DeviceFuzzTest {
    @FuzzTest
    void localApic(byte[] input) {
        HostileGuest.run(Part.LOCAL_APIC, input);
    }

    @FuzzTest
    void ioApic(byte[] input) {
        HostileGuest.run(Part.IO_APIC, input);
    }

    @FuzzTest
    void pic(byte[] input) {
        HostileGuest.run(Part.PIC, input);
    }

    @FuzzTest
    void pit(byte[] input) {
        HostileGuest.run(Part.PIT, input);
    }

    @FuzzTest
    void hpet(byte[] input) {
        HostileGuest.run(Part.HPET, input);
    }

    @FuzzTest
    void rtc(byte[] input) {
        HostileGuest.run(Part.RTC, input);
    }

    @FuzzTest
    void pm(byte[] input) {
        HostileGuest.run(Part.PM, input);
    }

    @FuzzTest
    void uart(byte[] input) {
        HostileGuest.run(Part.UART, input);
    }

    @FuzzTest
    void debug(byte[] input) {
        HostileGuest.run(Part.DEBUG, input);
    }

    @FuzzTest
    void pci(byte[] input) {
        HostileGuest.run(Part.PCI, input);
    }

    @FuzzTest
    void virtioConsole(byte[] input) {
        HostileGuest.run(Part.VIRTIO_CONSOLE, input);
    }

    @FuzzTest
    void virtioRng(byte[] input) {
        HostileGuest.run(Part.VIRTIO_RNG, input);
    }

    @FuzzTest
    void virtioBlk(byte[] input) {
        HostileGuest.run(Part.VIRTIO_BLK, input);
    }

    @FuzzTest
    void virtioMem(byte[] input) {
        HostileGuest.run(Part.VIRTIO_MEM, input);
    }

    @FuzzTest
    void virtioBalloon(byte[] input) {
        HostileGuest.run(Part.VIRTIO_BALLOON, input);
    }

    @FuzzTest
    void virtioVsock(byte[] input) {
        HostileGuest.run(Part.VIRTIO_VSOCK, input);
    }

    @FuzzTest
    void virtio9p(byte[] input) {
        HostileGuest.run(Part.VIRTIO9P, input);
    }

    @FuzzTest
    void pciHotplug(byte[] input) {
        HostileGuest.run(Part.PCI_HOTPLUG, input);
    }

    @FuzzTest
    void cpuHotplug(byte[] input) {
        HostileGuest.run(Part.CPU_HOTPLUG, input);
    }

    @FuzzTest
    void nvme(byte[] input) {
        HostileGuest.run(Part.NVME, input);
    }

    @FuzzTest
    void ahci(byte[] input) {
        HostileGuest.run(Part.AHCI, input);
    }

    @FuzzTest
    void virtioNet(byte[] input) {
        HostileGuest.run(Part.VIRTIO_NET, input);
    }

    @FuzzTest
    void e1000(byte[] input) {
        HostileGuest.run(Part.E1000, input);
    }

    @FuzzTest
    void msix(byte[] input) {
        HostileGuest.run(Part.MSIX, input);
    }

    @FuzzTest
    void all(byte[] input) {
        HostileGuest.run(Part.ALL, input);
    }

    /** There is a target above for each. */
    @ParameterizedTest
    @EnumSource
    void everyPartHasATarget(Part part) throws NoSuchMethodException {
        assertNotNull(DeviceFuzzTest.class.getDeclaredMethod(part.target(), byte[].class));
    }

    @FuzzTest
    void ports(byte[] input) {
        HostileGuest.run(Part.PORTS, input);
    }

    @FuzzTest
    void memory(byte[] input) {
        HostileGuest.run(Part.MEMORY, input);
    }
}
