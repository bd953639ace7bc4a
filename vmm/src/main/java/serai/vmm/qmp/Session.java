package serai.vmm.qmp;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * One client. A thread reads its commands and does them, one after another; another writes, so that nobody who tells an event waits for a
 * client. What waits to be written is bounded: a client that does not read is disconnected.
 */
final class Session {
    private static final int MAX_WAITING = 4 << 20;
    private static final long FLUSH_MILLIS = 1000;

    private final SocketChannel channel;
    private final CommandTable table;
    private final ObjectNode version;
    private final Runnable ended;
    private final ArrayDeque<byte[]> waiting = new ArrayDeque<>();
    private int waitingBytes;
    private boolean closing;
    private volatile boolean negotiated;
    private final Thread writer;

    Session(SocketChannel channel, CommandTable table, ObjectNode version, Runnable ended) {
        this.channel = channel;
        this.table = table;
        this.version = version;
        this.ended = ended;
        writer = Thread.ofPlatform().daemon().name("serai-qmp-out").unstarted(this::write);
    }

    void start() {
        ObjectNode greeting = Json.object();
        greeting.putObject("QMP").set("version", version).putArray("capabilities");
        send(greeting);
        writer.start();
        Thread.ofPlatform().daemon().name("serai-qmp-in").start(this::read);
    }

    private void read() {
        try {
            Frames frames = new Frames(new BufferedInputStream(Channels.newInputStream(channel)));
            byte[] message;
            while ((message = frames.next()) != null) {
                send(answer(message));
            }
        } catch (Frames.Excessive e) {
            send(error(new QmpException(String.valueOf(e.getMessage()))));
        } catch (IOException e) {
            // the client is gone
        } finally {
            close();
            ended.run();
        }
    }

    private ObjectNode answer(byte[] message) {
        JsonNode id = null;
        ObjectNode answer;
        try {
            JsonNode parsed;
            try {
                parsed = Json.MAPPER.readTree(message);
            } catch (JacksonException e) {
                throw new QmpException("Invalid JSON syntax");
            }
            if (!(parsed instanceof ObjectNode request)) {
                throw new QmpException("QMP input must be a JSON object");
            }
            id = request.get("id");
            new Arguments(request).only(List.of("execute", "arguments", "id"));
            String name = new Arguments(request).string("execute");
            Arguments arguments = request.has("arguments")
                    ? new Arguments(request).object("arguments")
                    : new Arguments(Json.object());
            answer = Json.object();
            answer.set("return", execute(name, arguments));
        } catch (QmpException e) {
            answer = error(e);
        } catch (RuntimeException e) {
            System.getLogger("serai.qmp").log(System.Logger.Level.WARNING, "a command failed: {0}", e.toString());
            answer = error(new QmpException("an error in Serai itself: " + e));
        }
        if (id != null) {
            answer.set("id", id);
        }
        return answer;
    }

    private JsonNode execute(String name, Arguments arguments) throws QmpException {
        if (name.equals("qmp_capabilities")) {
            if (negotiated) {
                throw new QmpException(
                        QmpException.ErrorClass.COMMAND_NOT_FOUND,
                        "Capabilities negotiation is already complete, command ignored");
            }
            arguments.only(List.of("enable")); // none is offered, so what it names is of no effect
            negotiated = true;
            return Json.object();
        }
        if (!negotiated) {
            throw new QmpException(
                    QmpException.ErrorClass.COMMAND_NOT_FOUND,
                    "Expecting capabilities negotiation with 'qmp_capabilities'");
        }
        return table.execute(name, arguments);
    }

    private static ObjectNode error(QmpException e) {
        ObjectNode answer = Json.object();
        answer.putObject("error").put("class", e.errorClass().word).put("desc", String.valueOf(e.getMessage()));
        return answer;
    }

    /** An event; clients that have not negotiated get none. */
    void event(ObjectNode event) {
        if (negotiated) {
            send(event);
        }
    }

    private void send(ObjectNode message) {
        byte[] text = (message + "\r\n").getBytes(java.nio.charset.StandardCharsets.UTF_8);
        synchronized (waiting) {
            if (closing) {
                return;
            }
            if (waitingBytes + text.length > MAX_WAITING) {
                waiting.clear();
                shut();
            } else {
                waiting.add(text);
                waitingBytes += text.length;
            }
            waiting.notifyAll();
        }
    }

    private void write() {
        try {
            while (true) {
                byte[] text;
                synchronized (waiting) {
                    while (waiting.isEmpty() && !closing) {
                        waiting.wait();
                    }
                    if (waiting.isEmpty()) {
                        break;
                    }
                    text = waiting.poll();
                    waitingBytes -= text.length;
                }
                ByteBuffer b = ByteBuffer.wrap(text);
                while (b.hasRemaining()) {
                    channel.write(b);
                }
            }
        } catch (IOException e) {
            // the client is gone; the reader sees it, too
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            shut();
        }
    }

    /** Ends the connection when what waits is written, or after a second. */
    void close() {
        synchronized (waiting) {
            closing = true;
            waiting.notifyAll();
        }
        try {
            writer.join(FLUSH_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        shut();
    }

    private void shut() {
        try {
            channel.close();
        } catch (IOException e) {
            // it is closed as far as we can
        }
    }
}
