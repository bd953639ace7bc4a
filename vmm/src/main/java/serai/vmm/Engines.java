package serai.vmm;

import java.io.IOException;
import serai.cpu.JavaEngine;
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
        if (config.hardware().engine().equals("kvm") && counts) {
            throw new VmmException(
                    VmmException.USAGE,
                    "the kvm engine can't count instructions, so deterministic, record, replay, save-at, trace and"
                            + " hash-every need engine=java");
        }
        return switch (config.hardware().engine()) {
            case "java" -> java(console, "as asked for");
            case "kvm" -> {
                console.say("serai: engine kvm: as asked for\n");
                yield kvm();
            }
            default -> {
                if (counts) {
                    yield java(console, "it can count instructions");
                }
                if (config.session().gdbPort() >= 0) {
                    yield java(console, "it can be debugged");
                }
                KvmProbe probe = KvmProbe.measure();
                if (probe.available()) {
                    console.say("serai: engine kvm: " + probe.reason() + "\n");
                    yield kvm();
                }
                yield java(console, probe.reason());
            }
        };
    }

    private static Engine java(Console console, String why) {
        console.say("serai: engine java: " + why + "\n");
        return new JavaEngine();
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
