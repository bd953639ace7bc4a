package serai.cpu;

import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;

/** Linear memory of a vCPU: what instructions load and store, by the TLB, or by a slow path past it. */
abstract class CpuMemory extends CpuTlb {
    long mmioReads;
    long mmioWrites;

    /**
     * The instruction in progress runs alone, not in the middle of a block: it may touch devices (which see the exact
     * instruction count, and whose interrupts are taken right after it) and write pages with cached instructions. Others that need to
     * throw {@link CpuException#ALONE} before they have changed anything.
     */
    boolean alone;

    /** And all other vCPUs stand still meanwhile. */
    boolean exclusive;

    CpuMemory(VcpuHost host) {
        super(host);
    }

    // ---- what the CPU above provides ----

    /** Makes a page fault the one to deliver. */
    abstract void pageFault(int error);

    /** Whether the machine has no other vCPU. */
    abstract boolean onlyCpu();

    /** An access to memory by the slow path, after its checks. Only while {@link #watching}. */
    abstract void accessed(long linear, int size, boolean write);

    // ---- loads ----

    final int load8(long linear) {
        long e = readTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 1) <= 0) {
            return GuestMemory.getByte(GuestMemory.getPlainLong(e + HOST) + off) & 0xff;
        }
        return (int) loadSlow(linear, 1) & 0xff;
    }

    final int load16(long linear) {
        long e = readTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 2) <= 0) {
            return GuestMemory.getShort(GuestMemory.getPlainLong(e + HOST) + off) & 0xffff;
        }
        return (int) loadSlow(linear, 2) & 0xffff;
    }

    final int load32(long linear) {
        long e = readTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 4) <= 0) {
            return GuestMemory.getInt(GuestMemory.getPlainLong(e + HOST) + off);
        }
        return (int) loadSlow(linear, 4);
    }

    final long load64(long linear) {
        long e = readTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 8) <= 0) {
            return GuestMemory.getLong(GuestMemory.getPlainLong(e + HOST) + off);
        }
        return loadSlow(linear, 8);
    }

    /** A load of 1, 2, 4 or 8 bytes, zero-extended. */
    final long load(long linear, int size) {
        return switch (size) {
            case 1 -> load8(linear);
            case 2 -> load16(linear);
            case 4 -> load32(linear) & 0xffffffffL;
            default -> load64(linear);
        };
    }

    // ---- stores ----

    final void store8(long linear, int v) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 1) <= 0) {
            GuestMemory.putByte(GuestMemory.getPlainLong(e + HOST) + off, (byte) v);
        } else {
            storeSlow(linear, 1, v);
        }
    }

    final void store16(long linear, int v) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 2) <= 0) {
            GuestMemory.putShort(GuestMemory.getPlainLong(e + HOST) + off, (short) v);
        } else {
            storeSlow(linear, 2, v);
        }
    }

    final void store32(long linear, int v) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 4) <= 0) {
            GuestMemory.putInt(GuestMemory.getPlainLong(e + HOST) + off, v);
        } else {
            storeSlow(linear, 4, v);
        }
    }

    final void store64(long linear, long v) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 8) <= 0) {
            GuestMemory.putLong(GuestMemory.getPlainLong(e + HOST) + off, v);
        } else {
            storeSlow(linear, 8, v);
        }
    }

    /** A store of 1, 2, 4 or 8 bytes. */
    final void store(long linear, int size, long v) {
        switch (size) {
            case 1 -> store8(linear, (int) v);
            case 2 -> store16(linear, (int) v);
            case 4 -> store32(linear, (int) v);
            default -> store64(linear, v);
        }
    }

    /** Faults now if {@code size} bytes can't be written: for instructions that read, compute, then write. */
    final void checkWrite(long linear, int size) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        if (Long.compareUnsigned(linear + GuestMemory.getPlainLong(e), PAGE - size) > 0) {
            long last = (linear + size - 1) & PAGE_MASK;
            writablePhysical(linear);
            if (last != (linear & PAGE_MASK)) {
                writablePhysical(last);
            }
        }
    }

    /**
     * Host address behind {@code size} bytes at {@code linear} for a read-modify-write in one go, or 0 if they cross a page or aren't
     * plain RAM (then load, compute and store in turn). Faults as a write.
     */
    final long hostForUpdate(long linear, int size) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - size) > 0) {
            checkWrite(linear, size);
            off = linear + GuestMemory.getPlainLong(e);
            if (Long.compareUnsigned(off, PAGE - size) > 0) {
                return 0;
            }
        }
        return GuestMemory.getPlainLong(e + HOST) + off;
    }

    /** For an update that {@link #hostForUpdate} can't do in one go: it must run alone. */
    final void aloneForUpdate() {
        if (!alone) {
            throw CpuException.ALONE;
        }
    }

    /** For a locked update that {@link #hostForLocked} can't do in one go: it must run while all other vCPUs stand still. */
    final void exclusiveForUpdate() {
        if (onlyCpu()) {
            aloneForUpdate();
        } else if (!exclusive) {
            throw CpuException.EXCLUSIVE;
        }
    }

    /** As {@link #hostForUpdate}, for a compare-and-set: 0 also where the host has none at this alignment. */
    final long hostForLocked(long linear, int size) {
        long h = hostForUpdate(linear, size);
        return GuestMemory.casPossible(h, size) ? h : 0;
    }

    /** Host address of the byte at {@code linear} for a run of reads up to the end of its page, or 0. Faults. */
    final long hostForRead(long linear) {
        long e = readTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 1) > 0) {
            long physical = translate(linear, 0, cpl == 3);
            fillRead(linear & PAGE_MASK, physical);
            off = linear + GuestMemory.getPlainLong(e);
            if (Long.compareUnsigned(off, PAGE - 1) > 0) {
                return 0;
            }
        }
        return GuestMemory.getPlainLong(e + HOST) + off;
    }

    // ---- slow paths ----

    private long loadSlow(long linear, int size) {
        long page = linear & PAGE_MASK;
        int in = (int) (linear & ~PAGE_MASK);
        if (in + size > PAGE) {
            // x86 does a crossing access in parts; faults of the second part come before any effect
            int first = (int) PAGE - in;
            long a = translate(linear, 0, cpl == 3) | in;
            long b = translate(page + PAGE, 0, cpl == 3);
            checkAccess(linear, size, false);
            return readBytes(a, first) | readBytes(b, size - first) << (first * 8);
        }
        long physical = translate(linear, 0, cpl == 3);
        checkAccess(linear, size, false);
        fillRead(page, physical);
        return readPhysical(physical | in, size);
    }

    private long readBytes(long physical, int bytes) {
        long v = 0;
        for (int i = 0; i < bytes; i++) {
            v |= (readPhysical(physical + i, 1) & 0xff) << (i * 8);
        }
        return v;
    }

    /** What is looked at in the slow path alone, once the access can't fault by its pages: alignment, then breakpoints. */
    private void checkAccess(long linear, int size, boolean write) {
        if (aligning && (linear & size - 1) != 0) {
            throw fault(CpuEvents.AC_VECTOR, 0);
        }
        if (watching) {
            accessed(linear, size, write);
        }
    }

    private void storeSlow(long linear, int size, long v) {
        long page = linear & PAGE_MASK;
        int in = (int) (linear & ~PAGE_MASK);
        if (in + size > PAGE) {
            int first = (int) PAGE - in;
            long a = writablePhysical(linear) | in;
            long b = writablePhysical(page + PAGE);
            checkAccess(linear, size, true);
            for (int i = 0; i < first; i++) {
                writePhysical(a + i, 1, v >>> (i * 8) & 0xff);
            }
            for (int i = first; i < size; i++) {
                writePhysical(b + i - first, 1, v >>> (i * 8) & 0xff);
            }
            return;
        }
        long physical = writablePhysical(linear) | in;
        checkAccess(linear, size, true);
        writePhysical(physical, size, v);
    }

    /** Translates for writing, sees to the page's flags, fills the TLB: the physical page. */
    private long writablePhysical(long linear) {
        long page = linear & PAGE_MASK;
        long physical = translate(linear, PF_WRITE, cpl == 3);
        memory.writing(physical, host.index()); // before its flags are looked at
        if ((memory.pageFlags(physical) & GuestMemory.CODE) != 0 && !alone) {
            throw CpuException.ALONE;
        }
        memory.beforeWrite(physical);
        fillWrite(page, physical);
        return physical;
    }

    private long readPhysical(long physical, int size) {
        long h = memory.host(physical);
        if (h == 0) {
            if (!alone) {
                throw CpuException.ALONE;
            }
            mmioReads++;
            return host.mmioRead(physical, size);
        }
        return switch (size) {
            case 1 -> GuestMemory.getByte(h) & 0xff;
            case 2 -> GuestMemory.getShort(h) & 0xffff;
            case 4 -> GuestMemory.getInt(h) & 0xffffffffL;
            default -> GuestMemory.getLong(h);
        };
    }

    private void writePhysical(long physical, int size, long v) {
        if (!memory.writable(physical)) {
            if (!alone) {
                throw CpuException.ALONE;
            }
            mmioWrites++;
            host.mmioWrite(physical, size, size == 8 ? v : v & (1L << size * 8) - 1);
            return;
        }
        long h = memory.host(physical);
        switch (size) {
            case 1 -> GuestMemory.putByte(h, (byte) v);
            case 2 -> GuestMemory.putShort(h, (short) v);
            case 4 -> GuestMemory.putInt(h, (int) v);
            default -> GuestMemory.putLong(h, v);
        }
    }

    /** What {@link #refill} has done. */
    enum Refill {
        /** The TLB has the access now. */
        DONE,
        /** The access raises the page fault that {@code faultVector} and the like tell of; it has not been delivered. */
        FAULT,
        /** The access is none that the TLB can have: it is to be made. */
        NO
    }

    /**
     * Fills the TLB for an access that it didn't have; no exception is thrown, for those take longer than all else here.
     *
     * @param size 1 to 16
     */
    final Refill refill(long linear, int size, boolean write) {
        long page = linear & PAGE_MASK;
        if ((linear & ~PAGE_MASK) + size > PAGE
                || (cr0 & CR0_PG) == 0
                || page << 16 >> 16 != page
                || aligning
                || watching) {
            return Refill.NO;
        }
        long physical;
        do {
            physical = walk(page, write ? PF_WRITE : 0, cpl == 3, true);
        } while (physical == CHANGED);
        if (physical < 0) {
            cr2 = linear;
            pageFaults++;
            pageFault(walkError);
            return Refill.FAULT;
        }
        if (!write) {
            if (memory.host(physical) == 0) {
                return Refill.NO;
            }
            fillRead(page, physical);
            return Refill.DONE;
        }
        if (!memory.writable(physical)) {
            return Refill.NO;
        }
        memory.writing(physical, host.index()); // before its flags are looked at
        if (memory.pageFlags(physical) != 0) {
            return Refill.NO;
        }
        fillWrite(page, physical);
        return Refill.DONE;
    }

    // ---- accesses of the CPU itself: descriptor tables, TSS, stacks of another privilege ----

    /** A supervisor load whatever the privilege (descriptor tables, TSS). */
    final long loadSystem(long linear, int size) {
        int saved = enterSystem();
        try {
            return load(linear, size);
        } finally {
            leaveSystem(saved);
        }
    }

    /** A supervisor store whatever the privilege. */
    final void storeSystem(long linear, int size, long v) {
        int saved = enterSystem();
        try {
            store(linear, size, v);
        } finally {
            leaveSystem(saved);
        }
    }

    /** Faults now if the CPU itself can't write {@code size} bytes, which may lie in two pages. */
    final void checkSystemWrite(long linear, int size) {
        int saved = enterSystem();
        try {
            checkWrite(linear, 1);
            checkWrite(linear + size - 1, 1);
        } finally {
            leaveSystem(saved);
        }
    }

    private int enterSystem() {
        int saved = cpl;
        implicit = true;
        cpl = 0;
        selectTlb();
        return saved;
    }

    private void leaveSystem(int saved) {
        implicit = false;
        cpl = saved;
        selectTlb();
    }
}
