package serai.vmm;

import java.io.IOException;
import java.util.Optional;
import serai.cpu.JavaEngine;
import serai.cpu.TranslationMode;
import serai.kvm.KvmEngine;
import serai.kvm.KvmProbe;
import serai.machine.engine.Engine;

/** Chooses the engine, by measuring, and says why. */
final class Engines {
    private Engines() {}

    static Engine open(VmConfig config, Console console) throws VmmException {
        boolean counts = config.repeat().seed() != null
                || config.snapshots().saveAt() >= 0
                || config.session().trace() != null;
        EngineConfig engine = config.hardware().engine();
        if (engine.name().equals("kvm") && counts) {
            throw new VmmException(
                    VmmException.USAGE,
                    "the kvm engine can't count instructions, so deterministic, record, replay, save-at, trace and"
                            + " hash-every need engine=java");
        }
        if (engine.translate() == TranslationMode.ON && counts) {
            throw new VmmException(
                    VmmException.USAGE,
                    "translated code can't count instructions, so deterministic, record, replay, save-at, trace and"
                            + " hash-every don't go with translate=on");
        }
        TranslationMode mode = counts ? TranslationMode.OFF : engine.mode();
        return switch (engine.name()) {
            case "java" -> java(mode, console, "as asked for");
            case "kvm" -> {
                console.say("serai: engine kvm: as asked for\n");
                yield kvm();
            }
            default -> {
                if (counts) {
                    yield java(mode, console, "it can count instructions");
                }
                if (config.session().gdbPort() >= 0) {
                    yield java(mode, console, "it can be debugged");
                }
                KvmProbe probe = KvmProbe.measure();
                if (probe.available()) {
                    console.say("serai: engine kvm: " + probe.reason() + "\n");
                    yield kvm();
                }
                yield java(mode, console, probe.reason());
            }
        };
    }

    private static Engine java(TranslationMode mode, Console console, String why) throws VmmException {
        return java(mode, mode == TranslationMode.OFF ? Optional.empty() : TranslationMode.obstacle(), console, why);
    }

    /** The engine on a host where that keeps it from translating. */
    static Engine java(TranslationMode mode, Optional<String> obstacle, Console console, String why)
            throws VmmException {
        if (mode == TranslationMode.ON && obstacle.isPresent()) {
            throw new VmmException(
                    VmmException.HOST,
                    "code can't be translated here: " + obstacle.get() + "; without translate=on it is interpreted");
        }
        console.say("serai: engine java: " + why
                + obstacle.map(o -> "; it interprets: " + o).orElse("") + "\n");
        return new JavaEngine(mode);
    }

    private static Engine kvm() throws VmmException {
        try {
            return KvmEngine.open();
        } catch (IOException e) {
            throw new VmmException(
                    VmmException.HOST, "/dev/kvm can't be used: " + Reasons.of(e) + "; --engine java needs none", e);
        }
    }
}
