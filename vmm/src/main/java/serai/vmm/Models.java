package serai.vmm;

import java.util.EnumSet;
import java.util.Set;
import java.util.stream.Collectors;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuModel;
import serai.machine.engine.Engine;

/** CPU models by name. */
final class Models {
    private Models() {}

    /** The model of that name; the default for an empty one. */
    static X86Model named(String name, int cpus) throws VmmException {
        try {
            return name.isEmpty() ? X86Model.v2(cpus) : X86Model.named(name, cpus);
        } catch (IllegalArgumentException e) {
            throw new VmmException(VmmException.USAGE, String.valueOf(e.getMessage()), e);
        }
    }

    /**
     * The model as an engine can have it: a level without those of its further features that the engine lacks.
     *
     * @param exact the guest has seen this CPU already, so that it can't lose a feature
     */
    static CpuModel on(Engine engine, X86Model model, boolean exact) throws VmmException {
        EnumSet<CpuFeature> missing = EnumSet.noneOf(CpuFeature.class);
        missing.addAll(CpuFeature.of(model));
        missing.removeAll(engine.features());
        EnumSet<CpuFeature> fatal = EnumSet.copyOf(missing);
        if (!exact) {
            fatal.removeAll(model.optional());
        }
        if (!fatal.isEmpty()) {
            throw new VmmException(
                    VmmException.HOST,
                    "engine %s can't be a CPU of model %s here: this host's processor lacks %s; --engine java has all"
                            .formatted(engine.name(), model.name(), labels(fatal)));
        }
        return missing.isEmpty() ? model : model.without(missing);
    }

    private static String labels(Set<CpuFeature> features) {
        return features.stream().map(CpuFeature::label).collect(Collectors.joining(", "));
    }
}
