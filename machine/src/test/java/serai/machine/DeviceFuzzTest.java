package serai.machine;

import com.code_intelligence.jazzer.junit.FuzzTest;
import serai.machine.HostileGuest.Part;

/**
 * A fuzz target for each device. In an ordinary run the inputs kept in {@code DeviceFuzzTestInputs} go through again; FuzzSoakTest looks for
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
    void pciHotplug(byte[] input) {
        HostileGuest.run(Part.PCI_HOTPLUG, input);
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
