package serai.machine.virtio;

/** The host's end of a port of {@link VirtioConsole}. All is called with the machine lock held, and must not wait for anybody. */
public interface ConsolePort {
    /** What the guest finds the port by, such as {@code org.qemu.guest_agent.0}; empty for none. */
    String name();

    /** Whether the guest is to use it as a terminal: hvc0, hvc1, … */
    boolean isConsole();

    /**
     * Takes what the guest writes.
     *
     * @return how many bytes from {@code offset} on it took; if not all, the guest waits until {@link VirtioConsole#ready}
     */
    int write(byte[] bytes, int offset);

    /** The guest has opened or closed the port. */
    default void guestOpen(boolean open) {}

    /** A terminal whose output goes to {@code output}. */
    static ConsolePort console(java.util.function.Consumer<byte[]> output) {
        return new ConsolePort() {
            @Override
            public String name() {
                return "";
            }

            @Override
            public boolean isConsole() {
                return true;
            }

            @Override
            public int write(byte[] bytes, int offset) {
                output.accept(offset == 0 ? bytes : java.util.Arrays.copyOfRange(bytes, offset, bytes.length));
                return bytes.length - offset;
            }
        };
    }
}
