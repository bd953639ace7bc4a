package serai.storage.nbd;

import java.util.Map;
import java.util.TreeMap;

/**
 * Which bytes of a READ have come. The server may send parts in any order, and must not send one twice; a server that counts on us to count
 * bytes alone could leave some of the caller's memory as it was.
 */
final class Coverage {
    /** Parts that do not touch, at most: who sends bytes here and there has this many before he is cut off. */
    private static final int MAX_PARTS = 4096;

    private final long start;
    private final long end;
    /** Where what has come from the start without a gap ends. */
    private long complete;
    /** Parts beyond a gap: start to end. */
    private final TreeMap<Long, Long> parts = new TreeMap<>();

    /** Of a range. */
    Coverage(long start, long length) {
        this.start = start;
        this.end = start + length;
        complete = start;
    }

    /**
     * A part has come, or is about to.
     *
     * @throws Violation if it is not of the range, or was there
     */
    void add(long position, long length) throws Violation {
        if (length <= 0 || position < start || position > end || length > end - position) {
            throw new Violation("a part that was not asked for");
        }
        long to = position + length;
        Map.Entry<Long, Long> next = parts.ceilingEntry(position);
        Map.Entry<Long, Long> last = parts.floorEntry(position);
        if (position < complete || next != null && next.getKey() < to || last != null && last.getValue() > position) {
            throw new Violation("a part that has come before");
        }
        if (position == complete) {
            complete = to;
            for (Long more = parts.remove(complete); more != null; more = parts.remove(complete)) {
                complete = more;
            }
        } else {
            parts.put(position, to);
            if (parts.size() > MAX_PARTS) {
                throw new Violation("a reply in too many parts");
            }
        }
    }

    boolean isComplete() {
        return complete == end;
    }
}
