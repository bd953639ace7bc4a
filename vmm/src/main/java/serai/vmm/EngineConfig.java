package serai.vmm;

import java.util.Locale;
import org.jspecify.annotations.Nullable;
import serai.cpu.TranslationMode;

/**
 * What runs the vCPUs, as the word says: {@code engine=NAME[,translate=auto|on|off]}.
 *
 * @param name {@code auto}, {@code java} or {@code kvm}
 * @param translate whether engine java translates, if it is said
 */
public record EngineConfig(String name, @Nullable TranslationMode translate) {
    private static final String TRANSLATE = "translate=";

    static EngineConfig parse(String v) throws VmmException {
        String[] parts = v.split(",", -1);
        String name = Words.oneOf("engine", parts[0], "auto", "java", "kvm");
        TranslationMode translate = null;
        for (int i = 1; i < parts.length; i++) {
            if (!parts[i].startsWith(TRANSLATE)) {
                throw Words.usage("engine '" + v + "' is not NAME[,translate=WHEN]; try java,translate=off");
            }
            String when =
                    Words.oneOf("translate of engine", parts[i].substring(TRANSLATE.length()), "auto", "on", "off");
            translate = TranslationMode.valueOf(when.toUpperCase(Locale.ROOT));
        }
        if (translate != null && name.equals("kvm")) {
            throw Words.usage("engine kvm does not translate: translate is for java");
        }
        return new EngineConfig(name, translate);
    }

    /** What engine java does. */
    TranslationMode mode() {
        return translate == null ? TranslationMode.byDefault() : translate;
    }
}
