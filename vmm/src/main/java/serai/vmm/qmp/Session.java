package serai.vmm.qmp;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import tools.jackson.databind.node.ObjectNode;

/**
 * One client. A thread reads its commands and does them, one after another; another writes, so that nobody who tells an event waits for a
 * client. What waits to be written is bounded: a client that does not read is disconnected.
 */
final class Session {
    private static final int MAX_WAITING = 4 << 20;
    private static final long FLUSH_MILLIS = 1000;

    private final SocketChannel channel;
    private final Conversation conversation;
    private final ObjectNode version;
    private final Runnable ended;
    private final ArrayDeque<byte[]> waiting = new ArrayDeque<>();
    private int waitingBytes;
    private boolean closing;
    private final Thread writer;

    Session(SocketChannel channel, CommandTable table, ObjectNode version, Runnable ended) {
        this.channel = channel;
        conversation = new Conversation(table);
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
                send(conversation.answer(message));
            }
        } catch (Frames.Excessive e) {
            send(Conversation.error(new QmpException(String.valueOf(e.getMessage()))));
        } catch (IOException e) {
            // the client is gone
        } finally {
            close();
            ended.run();
        }
    }

    /** An event; clients that have not negotiated get none. */
    void event(ObjectNode event) {
        if (conversation.negotiated()) {
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
