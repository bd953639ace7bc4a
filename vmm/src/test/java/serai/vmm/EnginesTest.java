package serai.vmm;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import serai.cpu.TranslationMode;

/** What is said of the engine, and which wishes go together. */
final class EnginesTest {
    private static final Optional<String> OBSTACLE = Optional.of("this host forbids it");

    private final ByteArrayOutputStream said = new ByteArrayOutputStream();

    private void java(TranslationMode mode, Optional<String> obstacle) throws VmmException {
        try (Console console = new Console(new PrintStream(said, true, UTF_8))) {
            Engines.java(mode, obstacle, console, "as asked for").close();
        }
    }

    @Test
    void anEngineThatCantTranslateSaysSoAndInterprets() throws VmmException {
        java(TranslationMode.AUTO, OBSTACLE);
        assertEquals("serai: engine java: as asked for; it interprets: this host forbids it\n", said.toString(UTF_8));
    }

    @Test
    void nothingMoreIsSaidOfOneThatCan() throws VmmException {
        java(TranslationMode.AUTO, Optional.empty());
        assertEquals("serai: engine java: as asked for\n", said.toString(UTF_8));
    }

    @Test
    void anEngineThatHasToTranslateAndCantIsRefused() {
        VmmException e = assertThrows(VmmException.class, () -> java(TranslationMode.ON, OBSTACLE));
        assertEquals(
                "code can't be translated here: this host forbids it; without translate=on it is interpreted",
                e.getMessage());
        assertEquals(VmmException.HOST, e.status());
    }

    @Test
    void whatCountsInstructionsIsNotTranslated() throws VmmException {
        VmConfig config = VmConfig.parse(List.of("kernel=k", "engine=java,translate=on", "deterministic=1"));
        VmmException e = assertThrows(VmmException.class, () -> {
            try (Console console = new Console(new PrintStream(said, true, UTF_8))) {
                Engines.open(config, console);
            }
        });
        assertEquals(
                "translated code can't count instructions, so deterministic, record, replay, save-at, trace and"
                        + " hash-every don't go with translate=on",
                e.getMessage());
        assertEquals(VmmException.USAGE, e.status());
    }
}
