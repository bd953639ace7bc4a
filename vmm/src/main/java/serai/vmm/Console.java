package serai.vmm;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import org.jspecify.annotations.Nullable;
import serai.linux.LinuxException;
import serai.linux.Terminal;

/**
 * The process's standard streams as the guest's console: a raw terminal with escape keys, or pipes passed through
 * untouched. The end of input ends nothing.
 */
final class Console implements AutoCloseable {
    /** Who gets what is typed. */
    interface Input {
        /** From the reading thread; may wait until the guest takes it. */
        void typed(byte[] b, int length) throws InterruptedException;
    }

    private final PrintStream err;
    private @Nullable Terminal terminal;
    private @Nullable OutputPump stdout;

    Console(PrintStream err) {
        this.err = err;
    }

    /** Standard output, made on first use. */
    synchronized OutputPump stdout() {
        OutputPump p = stdout;
        if (p == null) {
            // FileOutputStream itself: System.out would buffer and change line ends
            p = new OutputPump("serai-stdout", new FileOutputStream(FileDescriptor.out));
            stdout = p;
        }
        return p;
    }

    /** Starts to read standard input; a terminal becomes raw. {@code quit} is run when the user asks for the end. */
    void read(Input input, Runnable quit) {
        EscapeKeys keys = null;
        if (Terminal.isTerminal(0)) {
            keys = new EscapeKeys(c -> {
                switch (c) {
                    case QUIT -> quit.run();
                    case HELP -> say(EscapeKeys.HELP);
                }
            });
            try {
                terminal = Terminal.raw(0);
            } catch (LinuxException e) {
                err.println("serai: " + e.getMessage() + "; keys come a line at a time");
            }
        }
        EscapeKeys filter = keys;
        Thread.ofPlatform().daemon().name("serai-stdin").start(() -> pump(input, filter));
    }

    private static void pump(Input input, @Nullable EscapeKeys keys) {
        byte[] b = new byte[4096];
        InputStream in = new FileInputStream(FileDescriptor.in);
        try {
            int n;
            while ((n = in.read(b)) >= 0) {
                int m = keys == null ? n : keys.filter(b, n);
                if (m > 0) {
                    input.typed(b, m);
                }
            }
        } catch (IOException e) {
            return; // a closed standard input is an ended one
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether the terminal is raw now, so that lines of ours need a carriage return. */
    boolean raw() {
        return terminal != null;
    }

    /** Prints to standard error, on a raw terminal, too. */
    void say(String text) {
        err.print(raw() ? text.replace("\n", "\r\n") : text);
        err.flush();
    }

    /** Writes what is left and gives the terminal back. */
    @Override
    public void close() {
        OutputPump p = stdout;
        if (p != null) {
            p.close();
        }
        Terminal t = terminal;
        if (t != null) {
            t.close();
            terminal = null;
        }
    }
}
