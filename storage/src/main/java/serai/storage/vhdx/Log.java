package serai.storage.vhdx;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFile;

/**
 * Replays the log for reading (VHDX 2.3.3 and its note 5): the newest complete sequence of entries is found and its changes are kept in
 * memory; the file stays as it is.
 *
 * <p>Each position of the log is looked at once, so a log made to mislead costs as much time as a sound one of its length. A log to be
 * replayed is bounded, in bytes and in changes; writers have logs of 1 MiB.
 */
final class Log {
    private static final long MAX_LENGTH = 64 << 20;
    private static final int MAX_CHANGES = 1 << 16;

    private final LogEntry.Ring ring;
    private final Map<Long, LogEntry> entries = new HashMap<>();

    private Log(LogEntry.Ring ring) {
        this.ring = ring;
    }

    /**
     * The file as it is after the log.
     *
     * @throws DiskException if there is no sequence to be replayed, or too much of it, or the file has been cut off
     */
    static ImageFile replay(ImageFile file, Header header) throws IOException {
        if (!header.dirty()) {
            return file;
        }
        if (header.logOffset() < Header.MIB
                || header.logLength() == 0
                || header.logOffset() > file.size() - header.logLength()) {
            throw Header.bad(
                    file,
                    "its log, which has to be replayed, would be %d bytes at byte %d, where the file has none"
                            .formatted(header.logLength(), header.logOffset()));
        }
        if (header.logLength() > MAX_LENGTH) {
            throw new DiskException(
                    "%s has a log of %d bytes to be replayed, and we replay at most %d; 'qemu-img check -r all' does it in the file"
                            .formatted(file.path(), header.logLength(), MAX_LENGTH));
        }
        return new Log(new LogEntry.Ring(file, header)).replayed(file);
    }

    private ImageFile replayed(ImageFile file) throws IOException {
        find();
        List<LogEntry> active = active();
        if (active.isEmpty()) {
            throw Header.bad(file, "its log has to be replayed and has no complete sequence of entries");
        }
        LogEntry head = active.getLast();
        if (Long.compareUnsigned(head.flushed(), file.size()) > 0) {
            throw Header.bad(
                    file,
                    "it has been cut off: it has %d bytes, and had %s when its log was written"
                            .formatted(file.size(), Long.toUnsignedString(head.flushed())));
        }
        ReplayedFile.Builder changes = new ReplayedFile.Builder(ring, head.last());
        long n = 0;
        for (LogEntry e : active) {
            n += e.count();
            if (n > MAX_CHANGES) {
                throw new DiskException(
                        "%s has a log of more than %d changes to be replayed".formatted(file.path(), MAX_CHANGES));
            }
            e.each(ring, changes::add);
        }
        return changes.build(file);
    }

    private void find() throws IOException {
        for (long at = 0; at < ring.header().logLength(); at += LogEntry.SECTOR) {
            LogEntry e = LogEntry.at(ring, at);
            if (e != null) {
                entries.put(at, e);
            }
        }
    }

    /** The valid sequence whose head has the greatest number, from its tail to its head; empty if there is none. */
    private List<LogEntry> active() {
        Set<LogEntry> followers = new HashSet<>();
        for (LogEntry e : entries.values()) {
            LogEntry next = next(e);
            if (next != null) {
                followers.add(next);
            }
        }
        List<LogEntry> best = List.of();
        for (LogEntry first : entries.values()) {
            if (!followers.contains(first)) {
                List<LogEntry> sequence = new ArrayList<>();
                for (LogEntry e = first; e != null; e = next(e)) {
                    sequence.add(e);
                }
                LogEntry head = sequence.getLast();
                boolean newer = best.isEmpty()
                        || Long.compareUnsigned(head.sequence(), best.getLast().sequence()) > 0;
                for (int i = sequence.size() - 1; newer && i >= 0; i--) {
                    if (sequence.get(i).position() == head.tail()) {
                        best = sequence.subList(i, sequence.size());
                        break;
                    }
                }
            }
        }
        return best;
    }

    /** The entry that continues a sequence. */
    private @Nullable LogEntry next(LogEntry e) {
        LogEntry next = entries.get((e.position() + e.length()) % ring.header().logLength());
        return next != null && next.sequence() == e.sequence() + 1 ? next : null;
    }
}
