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
     * The model of that name as an engine can have it: without those features beyond its level that the engine lacks. Of the
     * default model a lower level will do.
     *
     * @param exact the guest has seen this CPU already, so that it can't lose a feature
     */
    static CpuModel on(Engine engine, String name, int cpus, boolean exact, Console console) throws VmmException {
        X86Model model = named(name, cpus);
        if (name.isEmpty() && !lacking(engine, model, false).isEmpty()) {
            model = X86Model.v1(cpus);
        }
        Set<CpuFeature> fatal = lacking(engine, model, exact);
        if (!fatal.isEmpty()) {
            throw new VmmException(
                    VmmException.HOST,
                    "engine %s can't be a CPU of model %s here: this host's processor lacks %s; engine java has all"
                            .formatted(engine.name(), model.name(), labels(fatal)));
        }
        Set<CpuFeature> missing = lacking(engine, model, true);
        if (missing.isEmpty()) {
            return model;
        }
        X86Model less = model.without(missing);
        console.say("serai: cpu-model %s: it is what engine %s has here%n".formatted(less.name(), engine.name()));
        return less;
    }

    /** What a model promises and the engine lacks: all of it, or what can't be taken away. */
    private static Set<CpuFeature> lacking(Engine engine, X86Model model, boolean all) {
        EnumSet<CpuFeature> missing = EnumSet.noneOf(CpuFeature.class);
        missing.addAll(CpuFeature.of(model));
        missing.removeAll(engine.features());
        if (!all) {
            missing.removeAll(model.optional());
        }
        return missing;
    }

    private static String labels(Set<CpuFeature> features) {
        return features.stream().map(CpuFeature::label).collect(Collectors.joining(", "));
    }
}
