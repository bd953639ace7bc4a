package serai.cpu;

import java.util.Arrays;
import java.util.function.LongConsumer;

/** A part of code memory, which is emptied as a whole, and what units it has. */
final class CodeRegion {
    final int number;
    /** Address of the first byte, as it is written. */
    final long start;

    private final long size;

    // by unit, ascending: where it begins, from the region's start; its page
    private int[] begins = new int[0];
    private int[] pages = new int[0];
    private int count;

    CodeRegion(int number, long start, long size) {
        this.number = number;
        this.start = start;
        this.size = size;
    }

    boolean isEmpty() {
        return count == 0;
    }

    boolean contains(long address) {
        return address >= start && address < start + size;
    }

    /** Address behind the last byte. */
    long end() {
        return start + size;
    }

    /** Bytes from an address to the region's end. */
    long roomAt(long address) {
        return start + size - address;
    }

    /** A unit at {@code begin}, behind those that there are. */
    void add(long begin, long page) {
        if (count == begins.length) {
            int more = Math.max(64, count * 2);
            begins = Arrays.copyOf(begins, more);
            pages = Arrays.copyOf(pages, more);
        }
        begins[count] = (int) (begin - start);
        pages[count++] = Math.toIntExact(page);
    }

    /** The page of the unit that has the byte at an address; -1 if it lies before the first. */
    long pageOf(long address) {
        int unit = unitAt(address);
        return unit < 0 ? -1 : pages[unit];
    }

    /** Where that unit begins; 0 if the byte lies before the first. */
    long beginOf(long address) {
        int unit = unitAt(address);
        return unit < 0 ? 0 : start + begins[unit];
    }

    private int unitAt(long address) {
        int i = Arrays.binarySearch(begins, 0, count, (int) (address - start));
        return i >= 0 ? i : -i - 2;
    }

    /** Forgets all units; their pages are told, each once or more often. */
    void clear(LongConsumer page) {
        for (int i = 0; i < count; i++) {
            page.accept(pages[i]);
        }
        count = 0;
    }

    /** Forgets all units, and the room for what is known of them. */
    void forget() {
        count = 0;
        begins = new int[0];
        pages = new int[0];
    }
}
