package serai.vmm;

import serai.machine.cpuid.X86V1Model;
import serai.machine.engine.CpuModel;

/** CPU models by name. */
final class Models {
    private Models() {}

    /** The model of that name; the default for an empty one. */
    static CpuModel named(String name, int cpus) throws VmmException {
        CpuModel model = new X86V1Model(cpus);
        if (!name.isEmpty() && !name.equals(model.name())) {
            throw new VmmException(
                    VmmException.USAGE, "there is no cpu-model '%s'; there is %s".formatted(name, model.name()));
        }
        return model;
    }
}
