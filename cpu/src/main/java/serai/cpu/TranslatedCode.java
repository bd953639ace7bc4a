package serai.cpu;

import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import serai.machine.memory.GuestMemory;

/** The translated units of a machine: by physical page, then by place in the page and how it was translated. */
final class TranslatedCode {
    private static final int RECENT = 256;

    private Map<Long, Page> pages = new HashMap<>();
    /** Of the pages those that were asked for last, by the low bits of their numbers: each load of CR3 has a program's be asked for again. */
    private final @Nullable Page[] recent = new Page[RECENT];

    private final long[] recentNumbers = new long[RECENT];

    /** The units of a page. Keys are {@code how << 12 | place}, plus one, as 0 is an empty entry. */
    static final class Page {
        private int[] keys = new int[16];
        private long[] code = new long[16];
        private long[] labels = new long[16];
        private int count;
        /** By key: where an instruction that goes on past the page's end found the rest of its bytes. */
        private final Map<Integer, Long> tails = new HashMap<>();
        /** Pages that have such an instruction that ends in this one. */
        private final Set<Long> reachedFrom = new HashSet<>();
        /** Regions of code memory with units of this page, a bit each. */
        private int regions;

        private static int key(int how, int place) {
            return (how << 12 | place) + 1;
        }

        private int find(int key) {
            int i = key * 0x9e3779b1 >>> 7 & keys.length - 1;
            while (keys[i] != 0 && keys[i] != key) {
                i = i + 1 & keys.length - 1;
            }
            return i;
        }

        /** The entry of an instruction, or 0. */
        long code(int how, int place) {
            int i = find(key(how, place));
            return keys[i] == 0 ? 0 : code[i];
        }

        /** The label of an instruction, or 0. */
        long label(int how, int place) {
            int i = find(key(how, place));
            return keys[i] == 0 ? 0 : labels[i];
        }

        /**
         * The place whose label is the last in a range of addresses; {@link TranslationCache#ENTRY} if the last is an entry, {@link TranslationCache#UNKNOWN} if
         * there is none.
         */
        int nearest(long from, long to) {
            long best = from - 1;
            int found = TranslationCache.UNKNOWN;
            for (int i = 0; i < keys.length; i++) {
                if (keys[i] != 0 && labels[i] > best && labels[i] <= to) {
                    best = labels[i];
                    found = keys[i] - 1 & GuestMemory.PAGE_SIZE - 1;
                }
                if (keys[i] != 0 && code[i] > best && code[i] <= to) {
                    best = code[i];
                    found = TranslationCache.ENTRY;
                }
            }
            return found;
        }

        /** What is translated in one way. */
        Translator.Page of(int how) {
            return new Translator.Page() {
                @Override
                public long at(int place) {
                    return Page.this.label(how, place);
                }

                @Override
                public void label(int place, long label) {
                    int i = slot(how, place); // may replace the array
                    labels[i] = label;
                }

                @Override
                public void entry(int place, long entry) {
                    int i = slot(how, place);
                    code[i] = entry;
                }
            };
        }

        private int slot(int how, int place) {
            int key = key(how, place);
            int i = find(key);
            if (keys[i] == 0 && ++count > keys.length / 2) {
                grow();
                i = find(key);
            }
            keys[i] = key;
            return i;
        }

        /** The physical address of the second page of the instruction translated at a place, or -1 if it has none. */
        long tail(int how, int place) {
            return tails.isEmpty() ? -1 : tails.getOrDefault(key(how, place), -1L);
        }

        void tail(int how, int place, long physical) {
            tails.put(key(how, place), physical);
        }

        void reachedFrom(long page) {
            reachedFrom.add(page);
        }

        /** It has a unit in that region of code memory. */
        void liesIn(int region) {
            regions |= 1 << region;
        }

        boolean liesPartlyIn(int region) {
            return (regions >>> region & 1) != 0;
        }

        private void clear() {
            keys = new int[16];
            code = new long[16];
            labels = new long[16];
            count = 0;
            tails.clear();
            regions = 0;
        }

        private void grow() {
            int[] k = keys;
            long[] c = code;
            long[] h = labels;
            keys = new int[k.length * 2];
            code = new long[k.length * 2];
            labels = new long[k.length * 2];
            for (int j = 0; j < k.length; j++) {
                if (k[j] != 0) {
                    int i = find(k[j]);
                    keys[i] = k[j];
                    code[i] = c[j];
                    labels[i] = h[j];
                }
            }
        }
    }

    @Nullable
    Page get(long page) {
        return pages.get(page);
    }

    Page getOrCreate(long page) {
        int i = (int) page & RECENT - 1;
        Page p = recent[i];
        if (p == null || recentNumbers[i] != page) {
            p = pages.computeIfAbsent(page, n -> new Page());
            recent[i] = p;
            recentNumbers[i] = page;
        }
        return p;
    }

    /** Drops all. */
    void clear() {
        pages = new HashMap<>(); // the old one would keep its table
        Arrays.fill(recent, null);
    }

    /**
     * Drops all units with a byte in a page.
     *
     * @param gone is told of each page that had units and has none now
     */
    void drop(long page, LongConsumer gone) {
        Page p = pages.remove(page);
        if (p == null) {
            return;
        }
        int i = (int) page & RECENT - 1;
        if (recentNumbers[i] == page) {
            recent[i] = null;
        }
        gone.accept(page);
        for (long before : p.reachedFrom) {
            Page q = pages.get(before);
            if (q != null) {
                q.clear(); // and stays: others may reach into it
                gone.accept(before);
            }
        }
    }
}
