package serai.checks;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A client of a VM's control socket. */
public final class Qmp implements AutoCloseable {
    private static final JsonMapper MAPPER = new JsonMapper();

    private final SocketChannel channel;
    private final BufferedReader in;
    private final OutputStream out;
    private final List<JsonNode> events = new ArrayList<>();

    /** Connects and negotiates. */
    public Qmp(Path socket) throws IOException {
        channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
        in = new BufferedReader(new InputStreamReader(Channels.newInputStream(channel), StandardCharsets.UTF_8));
        out = Channels.newOutputStream(channel);
        if (!read().has("QMP")) {
            throw new IOException("no greeting");
        }
        execute("{'execute': 'qmp_capabilities'}");
    }

    private JsonNode read() throws IOException {
        String line = in.readLine();
        if (line == null) {
            throw new IOException("the VM has closed the connection");
        }
        return MAPPER.readTree(line);
    }

    /**
     * Sends a message, apostrophes for its quotation marks.
     *
     * @return what the answer holds: {@code return}, or the whole of an error
     */
    public JsonNode execute(String message) throws IOException {
        out.write((message.replace('\'', '"') + "\n").getBytes(StandardCharsets.UTF_8));
        while (true) {
            JsonNode m = read();
            if (m.has("return")) {
                return m.path("return");
            }
            if (m.has("error")) {
                return m;
            }
            events.add(m);
        }
    }

    /** The data of the next event of that name that was not awaited yet; waits for it. */
    public JsonNode await(String event) throws IOException {
        while (true) {
            for (int i = 0; i < events.size(); i++) {
                if (events.get(i).path("event").asString("").equals(event)) {
                    return events.remove(i).path("data");
                }
            }
            events.add(read());
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
