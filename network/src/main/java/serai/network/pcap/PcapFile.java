package serai.network.pcap;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;

/**
 * A capture file in the format of libpcap (draft-ietf-opsawg-pcap), which tcpdump and Wireshark read:
 *
 * <pre>
 * file:   0 magic a1b23c4d (4) | 4 version 2, 4 (2 each) | 8 reserved (8) | 16 longest record (4) | 20 link type (4): 1 Ethernet
 * record: 0 seconds (4) | 4 nanoseconds (4) | 8 bytes here (4) | 12 bytes of the frame (4) | 16 frame
 * </pre>
 *
 * Who adds a frame does not wait for the disk: frames are gathered, and a thread writes them {@value #PERIOD_MILLIS} milliseconds later at the latest. If it does not
 * keep up, frames are left out of the file, and counted.
 */
final class PcapFile implements AutoCloseable {
    private static final int MAGIC = 0xa1b23c4d, VERSION = 2 << 16 | 4, LONGEST = 262_144, ETHERNET = 1;
    private static final int RECORD = 16;
    private static final int BYTES = 2 << 20;
    private static final long PERIOD_MILLIS = 100;

    private final Path path;
    private final FileChannel file;
    private final Thread thread;
    private ByteBuffer gathered = ByteBuffer.allocateDirect(BYTES);
    private ByteBuffer spare = ByteBuffer.allocateDirect(BYTES);
    private long missed;
    private boolean closed;

    private PcapFile(Path path, FileChannel file) {
        this.path = path;
        this.file = file;
        thread = Thread.ofPlatform().daemon().name("serai-pcap").unstarted(this::run);
    }

    /** Makes the file anew. */
    static PcapFile create(Path path) throws IOException {
        FileChannel c = FileChannel.open(
                path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING);
        PcapFile p = new PcapFile(path, c);
        p.gathered.putInt(MAGIC).putInt(VERSION).putLong(0).putInt(LONGEST).putInt(ETHERNET);
        p.thread.start();
        return p;
    }

    /** Adds a frame, from position to limit, as of now. */
    synchronized void add(ByteBuffer frame) {
        int n = frame.remaining();
        if (closed || gathered.remaining() < RECORD + n) {
            missed++;
            return;
        }
        Instant now = Instant.now();
        gathered.putInt((int) now.getEpochSecond())
                .putInt(now.getNano())
                .putInt(n)
                .putInt(n);
        gathered.put(frame.duplicate());
        if (gathered.position() > BYTES / 2) {
            notifyAll();
        }
    }

    private void run() {
        try {
            boolean last = false;
            while (!last) {
                ByteBuffer full;
                synchronized (this) {
                    if (!closed && gathered.position() <= BYTES / 2) {
                        wait(PERIOD_MILLIS);
                    }
                    last = closed;
                    full = gathered;
                    gathered = spare;
                    spare = full;
                }
                full.flip();
                while (full.hasRemaining()) {
                    file.write(full);
                }
                full.clear();
            }
        } catch (IOException e) {
            System.getLogger("serai.network")
                    .log(System.Logger.Level.WARNING, "{0}: no more is captured: {1}", path, e.getMessage());
            synchronized (this) {
                closed = true;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        try (file) {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            System.getLogger("serai.network").log(System.Logger.Level.WARNING, "{0}: {1}", path, e.getMessage());
        }
        if (missed > 0) {
            System.getLogger("serai.network")
                    .log(System.Logger.Level.WARNING, "{0}: {1} frames are missing", path, missed);
        }
    }
}
