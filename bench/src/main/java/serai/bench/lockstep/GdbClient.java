package serai.bench.lockstep;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** Just enough of gdb's remote protocol to set another emulator's registers. */
final class GdbClient implements AutoCloseable {
    private final Socket socket;
    private final InputStream in;
    private final OutputStream out;

    GdbClient(int port) throws IOException {
        Socket s = null;
        for (int i = 0; s == null; i++) {
            try {
                s = new Socket(InetAddress.getLoopbackAddress(), port);
            } catch (IOException e) {
                if (i == 100) {
                    throw e;
                }
                try {
                    Thread.sleep(50);
                } catch (InterruptedException f) {
                    Thread.currentThread().interrupt();
                    throw e;
                }
            }
        }
        socket = s;
        in = new BufferedInputStream(s.getInputStream());
        out = s.getOutputStream();
    }

    /** Sends a packet without waiting for the answer. */
    void send(String data) throws IOException {
        int sum = 0;
        for (int i = 0; i < data.length(); i++) {
            sum += data.charAt(i);
        }
        out.write("$%s#%02x".formatted(data, sum & 0xff).getBytes(StandardCharsets.ISO_8859_1));
        out.flush();
    }

    /** Sends a packet; the answer. */
    String ask(String data) throws IOException {
        send(data);
        return answer();
    }

    private String answer() throws IOException {
        while (true) {
            int c = in.read();
            if (c < 0) {
                throw new IOException("QEMU has ended");
            }
            if (c == '$') {
                StringBuilder b = new StringBuilder();
                while ((c = in.read()) != '#') {
                    if (c < 0) {
                        throw new IOException("QEMU has ended");
                    }
                    b.append((char) c);
                }
                in.read();
                in.read();
                out.write('+');
                out.flush();
                return b.toString();
            }
        }
    }

    /** Sends Ctrl-C and waits for the stop. */
    void interruptAndWait() throws IOException {
        out.write(3);
        out.flush();
        String stop = answer();
        if (!stop.startsWith("T") && !stop.startsWith("S")) {
            throw new IOException("no stop: " + stop);
        }
        try {
            Thread.sleep(100); // a stop may be told twice: that of connecting, and this one
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        while (in.available() > 0) {
            in.read();
        }
    }

    /** A monitor command. */
    void monitor(String command) throws IOException {
        String answer = ask("qRcmd," + HexFormat.of().formatHex(command.getBytes(StandardCharsets.US_ASCII)));
        while (answer.startsWith("O") && !answer.equals("OK")) {
            answer = answer();
        }
    }

    /** Writes memory by linear address. */
    void write(long linear, byte[] data) throws IOException {
        String answer =
                ask("M%x,%x:%s".formatted(linear, data.length, HexFormat.of().formatHex(data)));
        if (!answer.equals("OK")) {
            throw new IOException("memory %x: %s".formatted(linear, answer));
        }
    }

    /** Sets a 64-bit register by gdb's number. */
    void register(int number, long value) throws IOException {
        String answer = ask("P%x=%016x".formatted(number, Long.reverseBytes(value)));
        if (!answer.equals("OK")) {
            throw new IOException("register " + number + ": " + answer);
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
