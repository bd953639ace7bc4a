package serai.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The native memory of a vCPU: what machine code shares with the interpreter, at fixed distances from {@link #base}.
 *
 * <pre>
 *  -STACK       native stack, downwards from base
 *   0           fields of translated code
 *   READ_TLB    4 tables: supervisor, user, supervisor without user pages (SMAP), nobody
 *   WRITE_TLB   4 tables, likewise
 *   JUMP_TABLES 3 tables, likewise, of JUMP_ENTRIES keys and JUMP_ENTRIES addresses; and 3 of 32-bit code
 *   END
 * </pre>
 *
 * A table of the TLB has {@link #TLB_ENTRIES} entries, each in three arrays of words: minus the linear address of a page, or a tag that
 * matches nothing; the host address behind the page; the distance from the one to the other. The entry of a page is that of its number
 * modulo the size; see {@link CpuTlb}, which fills them. Arrays, because an index that PEXT makes can be scaled by eight at most. What else is
 * here belongs to whoever uses it, and is zero at first. One thread at a time uses a context.
 */
final class VcpuContext {
    /** Bytes of stack below {@link #base}. */
    static final int STACK = 256 * 1024;

    /** The fields, of 4096 bytes: translated code defines them. */
    static final int FIELDS = 0;

    /** Tables of supervisor mode, of user mode, and of supervisor mode that may not touch user pages (SMAP). */
    static final int SUPERVISOR = 0, USER = 1, GUARDED = 2;

    /** Entries of a table. */
    static final int TLB_ENTRIES = 4096;
    /** From a table: the host addresses. */
    static final int TLB_HOST = 8 * TLB_ENTRIES;
    /** From a table: what to add to a linear address for the host's. */
    static final int TLB_DELTA = 2 * TLB_HOST;
    /** Bytes from a table to the next. */
    static final int TLB_TABLE = 3 * TLB_HOST;
    /** Tables for reading. */
    static final int READ_TLB = 0x1000;
    /** Tables for writing. */
    static final int WRITE_TLB = READ_TLB + 4 * TLB_TABLE;

    /** Entries of a table of jump targets. */
    static final int JUMP_ENTRIES = 16384;
    /** Tables of jump targets: keys of 8 bytes each, then code addresses of 8 bytes each. */
    static final int JUMP_TABLES = WRITE_TLB + 4 * TLB_TABLE;
    /** Bytes from such a table to the next. */
    static final int JUMP_TABLE = 2 * 8 * JUMP_ENTRIES;
    /** Bytes above {@link #base}. */
    static final int END = JUMP_TABLES + 2 * UnitKind.TABLES * JUMP_TABLE;

    /** Kept, for the memory goes when nobody refers to it any more. */
    final MemorySegment memory;

    /** Address of the fields, a multiple of 4096; in RSP while translated code runs. */
    final long base;

    VcpuContext() {
        memory = Arena.ofAuto().allocate(STACK + END, 4096);
        base = memory.address() + STACK;
    }

    /** Address of a table for reading, 0 to 3. */
    long readTlb(int table) {
        return base + READ_TLB + table * TLB_TABLE;
    }

    /** Address of a table for writing, 0 to 3. */
    long writeTlb(int table) {
        return base + WRITE_TLB + table * TLB_TABLE;
    }

    /** From {@link #base}: the keys of a table of jump targets, 0 to 5: {@link UnitKind#jumpTable}. */
    static int jumpTags(int table) {
        return JUMP_TABLES + table * JUMP_TABLE;
    }

    /** From {@link #base}: the code addresses of a table of jump targets, 0 to 5. */
    static int jumpCode(int table) {
        return jumpTags(table) + 8 * JUMP_ENTRIES;
    }
}
