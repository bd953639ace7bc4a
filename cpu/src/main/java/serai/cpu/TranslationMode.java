package serai.cpu;

import java.util.Locale;
import java.util.Optional;
import serai.linux.CodeMemory;
import serai.linux.LinuxException;
import serai.linux.MachineCode;
import serai.machine.engine.CpuFeature;

/** Whether the engine translates guest code to machine code of the host. */
public enum TranslationMode {
    /** All is interpreted. */
    OFF,
    /** Code is translated before it first runs; an engine on a host that can't do that has no vCPUs. */
    ON,
    /** As {@link #ON} on hosts that can; the others interpret. */
    AUTO;

    /**
     * That of an engine for which nothing else is said: {@link #AUTO}. The system property {@code serai.translate} is the test suite's way
     * to have all engines interpret ({@code off}) or translate ({@code on}).
     *
     * @throws IllegalArgumentException if the property is neither, nor {@code auto}
     */
    public static TranslationMode byDefault() {
        String property = System.getProperty("serai.translate", "");
        return property.isEmpty() ? AUTO : valueOf(property.toUpperCase(Locale.ROOT));
    }

    /** Why code can't be translated on this host, in words that go on a sentence; empty if it can. */
    public static Optional<String> obstacle() {
        if (!MachineCode.x86()) {
            return Optional.of("this host is no x86-64");
        }
        try (CodeMemory ignored = CodeMemory.create(4096)) {
            return HostCpu.FEATURES.contains(CpuFeature.BMI2)
                    ? Optional.empty()
                    : Optional.of("this host's processor lacks BMI2");
        } catch (LinuxException e) {
            return Optional.of(e.getMessage());
        }
    }
}
