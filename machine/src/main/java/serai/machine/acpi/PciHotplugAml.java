package serai.machine.acpi;

import serai.machine.Layout;
import serai.machine.pci.PciHotplug;

/** The DSDT's part in PCI hot-plug: a device a slot, with _EJ0, and the event that tells of them. */
final class PciHotplugAml {
    private PciHotplugAml() {}

    private static String device(int slot) {
        return "SL%02X".formatted(slot);
    }

    /** Within the device of the root bus. */
    static byte[] bus() {
        byte[] devices = {};
        byte[] up = {};
        byte[] down = {};
        for (int slot = Layout.FIRST_HOTPLUG_SLOT; slot <= Layout.LAST_HOTPLUG_SLOT; slot++) {
            devices = Aml.join(
                    devices,
                    Aml.device(
                            device(slot),
                            Aml.name("_ADR", Aml.integer((long) slot << 16)),
                            Aml.name("_SUN", Aml.integer(slot)),
                            Aml.method("_EJ0", 1, true, Aml.store(Aml.integer(1L << slot), Aml.path("EJCT")))));
            up = Aml.join(up, tell(Aml.local(0), slot, Aml.DEVICE_CHECK));
            down = Aml.join(down, tell(Aml.local(1), slot, Aml.EJECT_REQUEST));
        }
        return Aml.join(
                Aml.portRegion("HPRG", Layout.PCI_HOTPLUG_BASE, PciHotplug.PORTS),
                Aml.fields(
                        "HPRG",
                        4,
                        Aml.field("SLUP", 32),
                        Aml.field("SLDN", 32),
                        Aml.field("EJCT", 32),
                        Aml.field("", 64),
                        Aml.field("SLGN", 32)),
                devices,
                Aml.method(
                        "HPEV",
                        0,
                        true,
                        Aml.store(Aml.path("SLUP"), Aml.local(0)),
                        Aml.store(Aml.path("SLDN"), Aml.local(1)),
                        up,
                        down,
                        Aml.onlyIf(Aml.path("SLGN"), Aml.notify("\\_SB_.PCI0", Aml.BUS_CHECK))));
    }

    private static byte[] tell(byte[] bits, int slot, int event) {
        return Aml.onlyIf(Aml.and(bits, Aml.integer(1L << slot)), Aml.notify(device(slot), event));
    }

    /** Within \\_GPE. */
    static byte[] event() {
        return Aml.method("_E%02X".formatted(Layout.GPE_PCI_HOTPLUG), 0, false, Aml.call("\\_SB_.PCI0.HPEV"));
    }
}
