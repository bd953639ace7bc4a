package serai.machine.debug;

import java.util.function.IntConsumer;
import serai.machine.bus.PortDevice;
import serai.machine.uart.SerialBackend;

/** The debug console at port 0xe9 and the debug-exit port. They have no state. */
public final class DebugPorts {
    /** The port of the debug console. */
    public static final int CONSOLE = 0xe9;

    /** The console: writes go to the backend, reads give 0xe9, by which guests find it. */
    public static PortDevice console(SerialBackend backend) {
        return new PortDevice() {
            @Override
            public String toString() {
                return "debug-console";
            }

            @Override
            public int readPort(int port, int size) {
                return CONSOLE;
            }

            @Override
            public void writePort(int port, int size, int value) {
                backend.transmit((byte) value);
            }
        };
    }

    /** The exit port: a write of v ends the VM with status {@code (v << 1) | 1}. */
    public static PortDevice exit(IntConsumer onExit) {
        return new PortDevice() {
            @Override
            public String toString() {
                return "debug-exit";
            }

            @Override
            public int readPort(int port, int size) {
                return 0;
            }

            @Override
            public void writePort(int port, int size, int value) {
                onExit.accept(value << 1 | 1);
            }
        };
    }

    private DebugPorts() {}
}
