package serai.vmm;

import serai.machine.Layout;
import serai.machine.acpi.Numa;

/**
 * The machine, without its disks and where its output goes.
 *
 * @param memory how much RAM
 * @param cpus vCPUs at the start, 1 to {@link serai.machine.Layout#MAX_CPUS}
 * @param maxCpus how many there can be; more than {@code cpus} if they are to be plugged into the running machine
 * @param numa the NUMA nodes of vCPUs and memory
 * @param hpet whether the machine has high precision event timers
 * @param engine what runs the vCPUs
 * @param cpuModel the CPU model's name, or empty for the default
 * @param debugExit port whose value ends the VM, or -1
 */
public record HardwareConfig(
        MemorySize memory,
        int cpus,
        int maxCpus,
        Numa numa,
        boolean hpet,
        EngineConfig engine,
        String cpuModel,
        int debugExit) {
    /** vCPUs in a package: what is plugged into a running machine is a package, so that each has one then. */
    int cpusInPackage() {
        return maxCpus > cpus ? 1 : cpus;
    }

    /** The same with what a snapshot has. */
    HardwareConfig with(MemorySize newMemory, String newModel, boolean newHpet) {
        return new HardwareConfig(newMemory, cpus, maxCpus, numa, newHpet, engine, newModel, debugExit);
    }

    static final class Group implements WordGroup {
        private MemorySize memory = new MemorySize(512L << 20, 512L << 20, 0);
        private int cpus = 1;
        private int maxCpus = 1;
        private final NumaWords numa = new NumaWords();
        private boolean hpet;
        private EngineConfig engine = new EngineConfig("auto", null);
        private String cpuModel = "";
        private int debugExit = -1;

        @Override
        public boolean take(String key, String v) throws VmmException {
            switch (key) {
                case "memory" -> memory = MemorySize.parse(v);
                case "cpus" -> {
                    int comma = v.indexOf(",max=");
                    cpus = (int) Words.number(key, comma < 0 ? v : v.substring(0, comma), 1, Layout.MAX_CPUS);
                    maxCpus = comma < 0
                            ? cpus
                            : (int) Words.number("max of cpus", v.substring(comma + 5), cpus, Layout.MAX_CPUS);
                }
                case "numa" -> numa.node(v);
                case "numa-distance" -> numa.distance(v);
                case "hpet" -> hpet = Words.bool(key, v);
                case "engine" -> engine = EngineConfig.parse(v);
                case "cpu-model" -> cpuModel = v;
                case "debug-exit" -> debugExit = (int) Words.number(key, v, 0, 0xffff);
                default -> {
                    return false;
                }
            }
            return true;
        }

        HardwareConfig finish() throws VmmException {
            Numa nodes = numa.finish(maxCpus, memory.bytes());
            memory.checkNode(nodes.nodes().size());
            return new HardwareConfig(memory, cpus, maxCpus, nodes, hpet, engine, cpuModel, debugExit);
        }
    }
}
