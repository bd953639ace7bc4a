package serai.machine.debug;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import serai.machine.bus.PortBus;

class DebugPortsTest {
    private final PortBus ports = new PortBus();

    @Test
    void console_readsItsOwnNumberAndPassesBytesOn() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ports.map(DebugPorts.CONSOLE, 1, DebugPorts.console(out::write));
        assertEquals(0xe9, ports.read(0xe9, 1));
        ports.write(0xe9, 1, 'A');
        ports.write(0xe9, 4, 'B'); // the other three ports are nobody's
        assertEquals("AB", out.toString(java.nio.charset.StandardCharsets.ISO_8859_1));
    }

    @Test
    void exit_isOddWhateverIsWritten() {
        List<Integer> exits = new ArrayList<>();
        ports.map(0xf4, 1, DebugPorts.exit(exits::add));
        ports.write(0xf4, 1, 0);
        ports.write(0xf4, 1, 0x10);
        ports.write(0xf4, 4, 0x7f);
        assertEquals(List.of(1, 33, 255), exits);
    }

    @Test
    void keyboardController_isAbsentButForTheResetLine() {
        int[] resets = {0};
        KeyboardReset k = new KeyboardReset(() -> resets[0]++);
        assertEquals(0xff, k.readPort(0x64, 1));
        k.writePort(0x60, 1, 0xfe);
        k.writePort(0x64, 1, 0xaa);
        assertEquals(0, resets[0]);
        k.writePort(0x64, 1, 0xfe);
        assertEquals(1, resets[0]);
    }
}
