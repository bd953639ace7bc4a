package serai.vmm;

import java.util.function.Consumer;

/** Ctrl-A and the key after it, as QEMU's console has them; all else goes to the guest as it is. */
final class EscapeKeys {
    static final int PREFIX = 1;

    /** What a key behind Ctrl-A asks for. */
    enum Command {
        /** X: end the VM. */
        QUIT,
        /** H or ?: show the keys. */
        HELP
    }

    static final String HELP = """
            serai: Ctrl-A X  end the virtual machine
            serai: Ctrl-A H  this help
            serai: Ctrl-A A  send Ctrl-A to the guest
            """;

    private final Consumer<Command> commands;
    private boolean prefix;

    EscapeKeys(Consumer<Command> commands) {
        this.commands = commands;
    }

    /** Takes what was typed; gives back what of it the guest gets: the first bytes of {@code b}, so many. */
    int filter(byte[] b, int length) {
        int out = 0;
        for (int i = 0; i < length; i++) {
            byte c = b[i];
            if (!prefix) {
                if (c == PREFIX) {
                    prefix = true;
                } else {
                    b[out++] = c;
                }
                continue;
            }
            prefix = false;
            switch (c) {
                case 'x', 'X' -> commands.accept(Command.QUIT);
                case 'h', 'H', '?' -> commands.accept(Command.HELP);
                case 'a', 'A', PREFIX -> b[out++] = PREFIX;
                default -> {}
            }
        }
        return out;
    }
}
