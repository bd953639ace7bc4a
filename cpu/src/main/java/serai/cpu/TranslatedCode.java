package serai.cpu;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The translated units of a vCPU: by physical page, then by place in the page and how it was translated. */
final class TranslatedCode {
    private final Map<Long, Page> pages = new HashMap<>();

    /** The units of a page. Keys are {@code how << 12 | place}, plus one, as 0 is an empty entry. */
    static final class Page {
        private int[] keys = new int[16];
        private long[] code = new long[16];
        private long[] chain = new long[16];
        private int count;
        /** Where an instruction at the page's end that goes on in the next one found that; -1 if there is none. */
        private long tail = -1;

        private int tailPlace;
        /** Pages that have such an instruction that ends in this one. */
        private final Set<Long> reachedFrom = new HashSet<>();

        private int find(int key) {
            int i = key * 0x9e3779b1 >>> 7 & keys.length - 1;
            while (keys[i] != 0 && keys[i] != key) {
                i = i + 1 & keys.length - 1;
            }
            return i;
        }

        /** Where to enter with the instruction's address in R11, or 0. */
        long code(int how, int place) {
            int i = find((how << 12 | place) + 1);
            return keys[i] == 0 ? 0 : code[i];
        }

        /** Where a jump within the page leads, or 0. */
        long chain(int how, int place) {
            int i = find((how << 12 | place) + 1);
            return keys[i] == 0 ? 0 : chain[i];
        }

        /** An entry, which takes the place of an older one. */
        void put(int how, int place, long entry, long chained) {
            int key = (how << 12 | place) + 1;
            int i = find(key);
            if (keys[i] == 0 && ++count > keys.length / 2) {
                grow();
                i = find(key);
            }
            keys[i] = key;
            code[i] = entry;
            chain[i] = chained;
        }

        /** The address of the second page of the instruction at a place, or -1 if it has none. */
        long tail(int place) {
            return tail >= 0 && place == tailPlace ? tail : -1;
        }

        void tail(int place, long physical) {
            tailPlace = place;
            tail = physical;
        }

        void reachedFrom(long page) {
            reachedFrom.add(page);
        }

        private void grow() {
            int[] k = keys;
            long[] c = code;
            long[] h = chain;
            keys = new int[k.length * 2];
            code = new long[k.length * 2];
            chain = new long[k.length * 2];
            for (int j = 0; j < k.length; j++) {
                if (k[j] != 0) {
                    int i = find(k[j]);
                    keys[i] = k[j];
                    code[i] = c[j];
                    chain[i] = h[j];
                }
            }
        }
    }

    @Nullable
    Page get(long page) {
        return pages.get(page);
    }

    Page getOrCreate(long page) {
        return pages.computeIfAbsent(page, p -> new Page());
    }

    /** Drops the units of a page; false if there are none. */
    boolean drop(long page) {
        Page p = pages.remove(page);
        if (p != null) {
            p.reachedFrom.forEach(pages::remove);
        }
        return p != null;
    }

    void clear() {
        pages.clear();
    }
}
