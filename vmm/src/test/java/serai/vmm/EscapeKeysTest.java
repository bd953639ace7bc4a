package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class EscapeKeysTest {
    private final List<EscapeKeys.Command> commands = new ArrayList<>();
    private final EscapeKeys keys = new EscapeKeys(commands::add);

    private String type(String s) {
        byte[] b = s.getBytes(StandardCharsets.ISO_8859_1);
        return new String(b, 0, keys.filter(b, b.length), StandardCharsets.ISO_8859_1);
    }

    @Test
    void ordinaryKeysGoToTheGuest() {
        assertEquals("ls -l\r\u0003\u001b[A", type("ls -l\r\u0003\u001b[A"));
    }

    @Test
    void ctrlAXQuits() {
        assertEquals("ab", type("a\u0001xb"));
        assertEquals(List.of(EscapeKeys.Command.QUIT), commands);
    }

    @Test
    void thePrefixMayComeAlone() {
        assertEquals("", type("\u0001"));
        assertEquals("", type("h"));
        assertEquals(List.of(EscapeKeys.Command.HELP), commands);
    }

    @Test
    void ctrlAASendsCtrlA() {
        assertEquals("\u0001\u0001", type("\u0001a\u0001\u0001"));
    }

    @Test
    void otherKeysBehindThePrefixAreDropped() {
        assertEquals("b", type("\u0001qb"));
    }
}
