package serai.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.util.Set;
import java.util.function.LongConsumer;
import serai.linux.CodeMemory;
import serai.linux.LinuxException;
import serai.machine.engine.CpuFeature;
import serai.machine.memory.GuestMemory;

/**
 * The translated code of a machine, one for all its vCPUs: code finds everything by RSP, the {@link VcpuContext} of whoever runs it, and units
 * know physical pages alone.
 *
 * <h2>What is shared, what is not</h2>
 *
 * Memory, translator and the units by physical address are here, under one lock, taken when a vCPU's own jump table doesn't know where to go on.
 * Jump tables, and what was found by linear address altogether, are the vCPU's: see {@link Translation}.
 *
 * <h2>Code that is written while another vCPU translates it</h2>
 *
 * Whoever translates holds the lock, and marks the page in guest memory ({@link Cpu#protect}), reads its bytes and adds the unit, in this order.
 * A write finds the mark, takes it away, and drops the page's units, for which it waits for the lock, all before the bytes change. If it
 * found the mark, so the unit is dropped, whichever bytes it was made of. If it came before the mark, it has been
 * asked to report what it writes, see {@link CpuGroup}. Only then is the vCPUs' mail sent; each empties its jump tables, between two units, if
 * {@link #dropped} has changed since. Until then it may run what was dropped: nothing takes its place before all have left it.
 *
 * <h2>Links</h2>
 *
 * A jump within a page is linked while other vCPUs may run it: its displacement, four bytes at an address that four divides, is
 * written by one store, and both values lead to the same guest instruction. AMD promises that a processor executes either the
 * old or the new instruction then (APM vol. 2, 7.6.1, asynchronous modification: within an aligned quadword). The SDM
 * (vol. 3, 9.1.3) asks for a serializing instruction on the other processor and promises nothing without one; what is known to go wrong there is
 * that instructions change their length or kind. HotSpot patches displacements of calls in the same way, on which any JVM on x86-64 with more than one
 * thread depends. New code is behind a link in program order of one processor (stores, SDM vol. 3, 9.2.2), and instruction caches are coherent.
 *
 * <h2>Eviction</h2>
 *
 * Memory is filled in regions, round and round. When the next one has code in it, all vCPUs stand still outside of translated
 * code, and the pages with units in that region go, with what units they have elsewhere: links never leave a page. What is run often is translated again
 * soon; at under a microsecond an instruction that costs less than to find out beforehand.
 *
 * <h2>A guest that idles</h2>
 *
 * Most code is that of a boot or of a program that has ended. When the guest idles, all regions are emptied in the same way, their memory goes back to
 * the host, and what still runs, the guest's ticks, is translated again: {@link #trim}.
 */
final class TranslationCache {
    /** Instead of an entry: there is none and none can be made. */
    static final long NONE = 0;
    /** Instead of an entry: the instruction may go on in the next page, whose physical address is to be given. */
    static final long TAIL = 1;
    /** Instead of an entry: {@link #evict} has to be called, while no vCPU runs. */
    static final long FULL = 2;

    private static final long MADE = 3;

    /** Of {@link #placeOf}: dropped since; on the way to an instruction whose address is in R11; between Java and units. */
    static final int UNKNOWN = -1, ENTRY = -2, ON_THE_WAY = -3;

    /** As a page: all of them. */
    static final long EVERYTHING = -1;

    /** As a next page's physical address: not given. */
    static final long NOT_GIVEN = -1;

    private static final int MAX_REGIONS = 16;
    /** So many bytes of code at least are worth being given back when the guest idles: its ticks alone never make them. */
    static final long WORTH_TRIMMING = 4 << 20;

    /** After so many bytes of new code none is kept in this process's page table as writable: most links are made soon. */
    private static final int RECENT = 1 << 20;

    private static final int PAGE = GuestMemory.PAGE_SIZE;
    private static final int LONGEST = 16;
    private static final Cleaner CLEANER = Cleaner.create();

    /** From where code is written to where it runs. */
    final long delta;

    final CodeGate gate;
    final Set<CpuFeature> features;

    private final CodeMemory memory;
    private final Assembler a;
    private final Translator translator;
    private final TranslatedCode units = new TranslatedCode();
    private final CodeRegion[] regions;
    private final long routinesFrom;
    private CodeRegion region;
    /** Where the recent code begins, as it is written. */
    private long recent;

    /** The bytes of an instruction that lies in two pages. */
    private final MemorySegment bridge = Arena.ofAuto().allocate(2 * LONGEST);

    /** Regions that were emptied as the guest idled. */
    private volatile long trimmed;

    private volatile long dropped;
    /** The last pages whose units have gone, by the number of the drop; or {@link #EVERYTHING}. */
    private final long[] drops = new long[64];

    private TranslationCache(CodeMemory memory, Set<CpuFeature> features) {
        this.memory = memory;
        this.features = features;
        delta = memory.executable() - memory.writable();
        a = new Assembler(memory.writable(), delta);
        gate = new CodeGate(a);
        routinesFrom = a.at();
        Assembler routines = new Assembler(a.at(), delta);
        a.at(a.at() + Translator.ROUTINES_SIZE);
        if (memory.writable() + memory.size() - a.at() < 3 * Translator.MAX_BYTES) {
            throw new IllegalArgumentException("code memory of %d bytes is too small".formatted(memory.size()));
        }
        translator = new Translator(a, routines, features, HostCpu.FEATURES, gate);
        long room = memory.writable() + memory.size() - a.at();
        int count = (int) Math.clamp(room / (4 * Translator.MAX_BYTES), 2, MAX_REGIONS);
        long size = room / count & -64;
        regions = new CodeRegion[count];
        for (int i = 0; i < count; i++) {
            regions[i] = new CodeRegion(i, a.at() + i * size, size);
        }
        region = regions[0];
        recent = region.start;
    }

    /**
     * An empty cache.
     *
     * @param size bytes of code memory, which the host gives when they are used
     * @param features of the vCPUs
     * @throws LinuxException if the host forbids executable memory
     */
    static TranslationCache create(long size, Set<CpuFeature> features) throws LinuxException {
        CodeMemory memory = CodeMemory.create(size);
        TranslationCache cache = new TranslationCache(memory, features);
        CLEANER.register(cache, memory::close);
        return cache;
    }

    /** Where the address in R11 is looked up in a jump table of 64-bit code, as it runs. */
    long lookup(int table) {
        return translator.lookup(table);
    }

    /** Changes whenever units have gone: what was looked up before is void. */
    long dropped() {
        return dropped;
    }

    /**
     * Tells what has gone since {@link #dropped} was {@code since}.
     *
     * @param pages takes page numbers, or {@link #EVERYTHING}
     * @return what {@link #dropped} is now
     */
    synchronized long droppedSince(long since, LongConsumer pages) {
        if (dropped - since > drops.length) {
            pages.accept(EVERYTHING);
        } else {
            for (long i = since; i < dropped; i++) {
                pages.accept(drops[(int) (i % drops.length)]);
            }
        }
        return dropped;
    }

    private void hasGone(long page) {
        drops[(int) (dropped % drops.length)] = page;
        dropped++;
    }

    /**
     * Where to enter the instruction at a physical address, see {@link UnitFlow#entry}; translates it if need be.
     *
     * @param how the {@link UnitKind} of the unit
     * @param tail physical address of the page in which the next linear page lies, or {@link #NOT_GIVEN}
     * @return that, or {@link #NONE}, {@link #TAIL}, {@link #FULL}
     */
    synchronized long find(Translation asking, int how, long physical, long tail) {
        if (asking.cpu.memory.host(physical) == 0) {
            return NONE;
        }
        int place = (int) physical & PAGE - 1;
        TranslatedCode.Page page = units.getOrCreate(physical >>> 12);
        long entry = page.code(how, place);
        if (entry != 0) {
            long known = page.tail(how, place);
            if (known < 0 || known == tail) {
                return entry;
            }
            if (tail == NOT_GIVEN) {
                return TAIL;
            }
        }
        if (entry != 0 || page.label(how, place) == 0) {
            long result = translate(asking, how, physical, tail);
            if (result != MADE) {
                return result;
            }
        }
        if (page.code(how, place) == 0) {
            if (!makeRoom()) {
                return FULL;
            }
            long start = a.at();
            translator.entry(place, how, page.of(how));
            added(asking, page, physical, start);
        }
        return page.code(how, place);
    }

    /**
     * Where a direct jump from within the page enters the instruction at a physical address; translates that if need be, and links the jump.
     *
     * @param displacement address of the jump's displacement, as it is written; left as it is if {@code physical} is in another page, after a
     *     change of page tables that nobody was told of
     * @return as {@link #find}
     */
    synchronized long link(Translation asking, int how, long physical, long tail, long displacement) {
        if (asking.cpu.memory.host(physical) == 0) {
            return NONE;
        }
        int place = (int) physical & PAGE - 1;
        TranslatedCode.Page page = units.getOrCreate(physical >>> 12);
        if (page.label(how, place) == 0) {
            long result = translate(asking, how, physical, tail);
            if (result != MADE) {
                return result;
            }
        }
        long label = page.label(how, place);
        if (pageOf(displacement) == physical >>> 12) {
            a.patchRunning(displacement, label);
        }
        return label;
    }

    /** Translates what begins there in RAM: {@link #MADE}, {@link #NONE}, {@link #TAIL}, {@link #FULL}. */
    private long translate(Translation asking, int how, long physical, long tail) {
        GuestMemory memory = asking.cpu.memory;
        int place = (int) physical & PAGE - 1;
        long host = memory.host(physical);
        if (!makeRoom()) {
            return FULL;
        }
        asking.cpu.protect(physical);
        TranslatedCode.Page page = units.getOrCreate(physical >>> 12);
        Translator.Page made = page.of(how);
        long start = a.at();
        TranslationEvents.Translation event = TranslationEvents.translation();
        if (!translator.translate(host - place, place, PAGE, how, made)) {
            if (tail == NOT_GIVEN) {
                return TAIL;
            }
            long tailHost = memory.host(tail);
            if (tailHost == 0) {
                return NONE;
            }
            asking.cpu.protect(tail);
            int first = PAGE - place;
            GuestMemory.copy(host, bridge.address(), first);
            GuestMemory.copy(tailHost, bridge.address() + first, LONGEST);
            if (!translator.translate(bridge.address() - place, place, PAGE + LONGEST, how, made)) {
                return NONE;
            }
            page.tail(how, place, tail);
            units.getOrCreate(tail >>> 12).reachedFrom(physical >>> 12);
        }
        asking.made++;
        added(asking, page, physical, start);
        if (event != null) {
            event.address = physical;
            event.instructions = translator.instructions();
            event.bytes = (int) (a.at() - start);
            event.commit();
        }
        return MADE;
    }

    private void added(Translation asking, TranslatedCode.Page page, long physical, long start) {
        page.liesIn(region.number);
        region.add(start, physical >>> 12);
        asking.bytes += a.at() - start;
        if (a.at() - recent > RECENT) {
            noLongerRecent(a.at());
        }
    }

    private void noLongerRecent(long next) {
        // all, for links are patched in what is older, too: 24 MiB of it after some minutes of bench/load
        memory.written(memory.writable(), memory.writable() + memory.size());
        recent = next;
    }

    /** Room for a unit, in a region that nobody has used; false if there is none. */
    private boolean makeRoom() {
        if (region.roomAt(a.at()) >= Translator.MAX_BYTES) {
            return true;
        }
        CodeRegion next = next();
        if (!next.isEmpty()) {
            return false;
        }
        region = next;
        noLongerRecent(next.start);
        a.at(next.start);
        return true;
    }

    private CodeRegion next() {
        return regions[(region.number + 1) % regions.length];
    }

    /** Makes the oldest region empty, if there is no room any more. While no vCPU is in translated code or knows where in it it will go on. */
    synchronized void evict() {
        if (!makeRoom()) {
            CodeRegion oldest = next();
            oldest.clear(page -> {
                TranslatedCode.Page p = units.get(page);
                if (p != null && p.liesPartlyIn(oldest.number)) {
                    units.drop(page, gone -> {});
                }
            });
            hasGone(EVERYTHING);
            TranslationEvents.evicted(oldest.number, false);
            makeRoom();
        }
    }

    /** Bytes of code memory that {@link #trim} would give back. */
    synchronized long filled() {
        long n = a.at() - region.start;
        for (CodeRegion r : regions) {
            if (r != region && !r.isEmpty()) {
                n += r.end() - r.start;
            }
        }
        return n;
    }

    /** Drops all units and gives their memory back to the host. While no vCPU is in translated code or knows where in it it will go on. */
    synchronized void trim() {
        units.clear();
        for (CodeRegion r : regions) {
            if (!r.isEmpty()) {
                r.forget();
                trimmed++;
                TranslationEvents.evicted(r.number, true);
            }
        }
        hasGone(EVERYTHING);
        memory.discard(regions[0].start, regions[regions.length - 1].end());
        region = regions[0];
        recent = region.start;
        a.at(region.start);
    }

    /** How many regions {@link #trim} has emptied. */
    long trimmed() {
        return trimmed;
    }

    /** A page is about to be written. From any thread. */
    synchronized void drop(long page) {
        units.drop(page, this::hasGone);
    }

    /** The page whose unit has the byte of code at an address, as it is written; -1 if none has. */
    private long pageOf(long address) {
        for (CodeRegion r : regions) {
            if (r.contains(address)) {
                return r.pageOf(address);
            }
        }
        return -1;
    }

    /** The address at which its first byte runs. */
    long runsFrom() {
        return memory.executable();
    }

    /** The same behind its last. */
    long runsTo() {
        return memory.executable() + memory.size();
    }

    /**
     * What the code at an address is for: the place in its page of the last instruction before it that something leads to; or {@link #UNKNOWN}, {@link #ENTRY},
     * {@link #ON_THE_WAY}.
     *
     * @param address as it runs
     * @param returns where a routine returns to, if that is one of a routine
     */
    synchronized int placeOf(long address, long returns) {
        long written = address - delta;
        if (written >= routinesFrom && written < routinesFrom + Translator.ROUTINES_SIZE) {
            written = returns - delta;
        }
        for (CodeRegion r : regions) {
            if (r.contains(written)) {
                long begin = r.beginOf(written);
                TranslatedCode.Page page = begin == 0 ? null : units.get(r.pageOf(written));
                return page == null ? UNKNOWN : page.nearest(begin + delta, written + delta);
            }
        }
        return ON_THE_WAY;
    }
}
