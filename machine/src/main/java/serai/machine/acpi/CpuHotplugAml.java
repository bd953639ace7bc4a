package serai.machine.acpi;

import serai.machine.Layout;
import serai.machine.hotplug.CpuHotplug;

/**
 * The DSDT's part in vCPU hot-plug: a processor device (ACPI 6.5, 8.4) for each vCPU that there can be, whose methods ask {@link CpuHotplug},
 * and the event that tells of them.
 */
final class CpuHotplugAml {
    private static final int PRESENT_AND_WORKING = 0xf; // 6.3.7
    private static final String CONTROLLER = "\\_SB_.CPHP";

    private CpuHotplugAml() {}

    private static String device(int cpu) {
        return "CP%02X".formatted(cpu);
    }

    /** Within \\_SB: the registers with the methods that use them, and the processors. */
    static byte[] devices(Processors cpus, Numa numa) {
        byte[] all = controller(cpus.possible());
        for (int cpu = 0; cpu < cpus.possible(); cpu++) {
            all = Aml.join(all, processor(cpu, numa));
        }
        return all;
    }

    private static byte[] processor(int cpu, Numa numa) {
        byte[] body = Aml.join(
                Aml.name("_HID", Aml.string("ACPI0007")),
                Aml.name("_UID", Aml.integer(cpu)),
                Aml.method("_STA", 0, true, Aml.giveBack(Aml.call(CONTROLLER + ".CPST", Aml.integer(cpu)))),
                Aml.name("_MAT", Aml.buffer(AcpiTables.localApic(cpu, AcpiTables.ENABLED))));
        int node = numa.nodeOf(cpu);
        if (node >= 0) {
            body = Aml.join(body, Aml.name("_PXM", Aml.integer(node)));
        }
        if (cpu != 0) {
            body = Aml.join(body, Aml.method("_EJ0", 1, true, Aml.call(CONTROLLER + ".CPEJ", Aml.integer(cpu))));
        }
        byte[] said = Aml.call(CONTROLLER + ".CPOS", Aml.integer(cpu), Aml.arg(0), Aml.arg(1));
        return Aml.device(device(cpu), body, Aml.method("_OST", 3, true, said));
    }

    /** Methods take the mutex, as the selector is one for all. */
    private static byte[] controller(int possible) {
        byte[] tell = {};
        for (int cpu = 0; cpu < possible; cpu++) {
            tell = Aml.join(
                    tell,
                    Aml.onlyIf(
                            Aml.equal(Aml.arg(0), Aml.integer(cpu)), Aml.notify("\\_SB_." + device(cpu), Aml.arg(1))));
        }
        byte[] select = Aml.join(Aml.acquire("CPLK"), Aml.store(Aml.arg(0), Aml.path("CPSL")));
        return Aml.device(
                "CPHP",
                Aml.name("_HID", Aml.eisaId("PNP0C02")),
                Aml.name("_UID", Aml.integer(2)),
                Aml.name("_CRS", Aml.resources(Aml.io(Layout.CPU_HOTPLUG_BASE, CpuHotplug.PORTS))),
                Aml.portRegion("CPRG", Layout.CPU_HOTPLUG_BASE, CpuHotplug.PORTS),
                Aml.fields("CPRG", 4, Aml.field("CPSL", 32), Aml.field("", 32), Aml.field("CPDA", 32)),
                // what is not written of a byte is zero: a flag is cleared by a one of its own
                Aml.fields(
                        "CPRG",
                        1,
                        Aml.field("", 32),
                        Aml.field("CPEN", 1),
                        Aml.field("CPIN", 1),
                        Aml.field("CPRM", 1),
                        Aml.field("CPEX", 1),
                        Aml.field("", 4),
                        Aml.field("CPCM", 8)),
                Aml.mutex("CPLK"),
                Aml.method(
                        "CPST",
                        1,
                        true,
                        select,
                        Aml.store(Aml.integer(0), Aml.local(0)),
                        Aml.onlyIf(Aml.path("CPEN"), Aml.store(Aml.integer(PRESENT_AND_WORKING), Aml.local(0))),
                        Aml.release("CPLK"),
                        Aml.giveBack(Aml.local(0))),
                Aml.method("CPEJ", 1, true, select, Aml.store(Aml.integer(1), Aml.path("CPEX")), Aml.release("CPLK")),
                Aml.method(
                        "CPOS",
                        3,
                        true,
                        select,
                        Aml.store(Aml.integer(1), Aml.path("CPCM")),
                        Aml.store(Aml.arg(1), Aml.path("CPDA")),
                        Aml.store(Aml.integer(2), Aml.path("CPCM")),
                        Aml.store(Aml.arg(2), Aml.path("CPDA")),
                        Aml.release("CPLK")),
                Aml.method("CPTL", 2, true, tell),
                Aml.method(
                        "CPEV",
                        0,
                        true,
                        Aml.acquire("CPLK"),
                        Aml.store(Aml.integer(1), Aml.local(0)),
                        Aml.loopWhile(
                                Aml.local(0),
                                Aml.store(Aml.integer(0), Aml.local(0)),
                                Aml.store(Aml.integer(0), Aml.path("CPCM")),
                                Aml.onlyIf(Aml.path("CPIN"), told("CPIN", Aml.DEVICE_CHECK)),
                                Aml.orElse(Aml.onlyIf(Aml.path("CPRM"), told("CPRM", Aml.EJECT_REQUEST)))),
                        Aml.release("CPLK")));
    }

    /** Tells of the selected vCPU's event, clears it, and looks for more. */
    private static byte[] told(String flag, int event) {
        return Aml.join(
                Aml.call("CPTL", Aml.path("CPDA"), Aml.integer(event)),
                Aml.store(Aml.integer(1), Aml.path(flag)),
                Aml.store(Aml.integer(1), Aml.local(0)));
    }

    /** Within \\_GPE. */
    static byte[] event() {
        return Aml.method("_E%02X".formatted(Layout.GPE_CPU_HOTPLUG), 0, false, Aml.call(CONTROLLER + ".CPEV"));
    }
}
