package serai.kvm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import serai.machine.engine.CpuState;

/**
 * Between the record's extended state and the host's. Both are in the standard format, but only the legacy part and
 * the header have fixed places: where AVX-512 or PKRU lie is told by CPUID 0xd and differs between vendors (Intel PKRU
 * at 2688, AMD Zen 4 at 2432). The record keeps Intel's places, so components are moved one by one.
 */
final class XsaveLayout {
    /** Bytes 0-511 FXSAVE, 512-575 header; XSTATE_BV first in it (SDM vol. 1, 13.4). */
    private static final int HEADER = 512;

    private static final int MXCSR = 24;
    private static final int MXCSR_MASK = 28;

    /** Component number, place in the record, bytes: AVX, opmask, ZMM_Hi256, Hi16_ZMM, PKRU. MPX is not carried. */
    private static final int[][] RECORD = {
        {2, 576, 256}, {5, 1088, 64}, {6, 1152, 512}, {7, 1664, 1024}, {9, 2688, 8},
    };

    private static final long CARRIED = 1L << 2 | 1L << 5 | 1L << 6 | 1L << 7 | 1L << 9;

    private final int[] hostOffset = new int[64];
    private final int hostSize;

    /** @param hostSize bytes of the buffer that KVM fills */
    XsaveLayout(int hostSize) {
        this.hostSize = hostSize;
    }

    /** Notes a sub-leaf of CPUID 0xd: component, size (EAX), offset (EBX). */
    void component(int number, int size, int offset) {
        for (int[] c : RECORD) {
            if (c[0] == number && size == c[2] && offset >= HEADER + 64 && offset + size <= hostSize) {
                hostOffset[number] = offset;
            }
        }
    }

    /** The components, of those the record carries, that this host has. */
    long available() {
        long mask = 3;
        for (int[] c : RECORD) {
            mask |= hostOffset[c[0]] != 0 ? 1L << c[0] : 0;
        }
        return mask;
    }

    /** From KVM's buffer to the record. Components in their initial state are written out as such. */
    byte[] toRecord(MemorySegment host) {
        byte[] record = new byte[CpuState.XSAVE_SIZE];
        MemorySegment r = MemorySegment.ofArray(record);
        long bv = host.get(ValueLayout.JAVA_LONG, HEADER);
        MemorySegment.copy(host, 0, r, 0, HEADER);
        initLegacy(r, bv);
        for (int[] c : RECORD) {
            if ((bv >>> c[0] & 1) != 0 && hostOffset[c[0]] != 0) {
                MemorySegment.copy(host, hostOffset[c[0]], r, c[1], c[2]);
            }
        }
        r.set(ValueLayout.JAVA_LONG_UNALIGNED, HEADER, bv & CARRIED | 3);
        return record;
    }

    /**
     * From the record to KVM's buffer.
     *
     * @throws IllegalArgumentException if the state has a component that this host lacks
     */
    void toHost(byte[] record, MemorySegment host) {
        if (record.length != CpuState.XSAVE_SIZE) {
            throw new IllegalArgumentException("extended state of %d bytes".formatted(record.length));
        }
        MemorySegment r = MemorySegment.ofArray(record);
        long bv = r.get(ValueLayout.JAVA_LONG_UNALIGNED, HEADER);
        long lacking = bv & CARRIED & ~available();
        if (lacking != 0) {
            throw new IllegalArgumentException(
                    "the state uses extended components %#x that this host's CPU lacks".formatted(lacking));
        }
        host.fill((byte) 0);
        MemorySegment.copy(r, 0, host, 0, HEADER);
        initLegacy(host, bv);
        for (int[] c : RECORD) {
            if ((bv >>> c[0] & 1) != 0) {
                MemorySegment.copy(r, c[1], host, hostOffset[c[0]], c[2]);
            }
        }
        host.set(ValueLayout.JAVA_LONG, HEADER, bv & CARRIED | 3);
    }

    /** What XRSTOR would load where XSTATE_BV has a zero: SDM vol. 1, 13.6 and 13.8. */
    private static void initLegacy(MemorySegment s, long bv) {
        if ((bv & 1) == 0) {
            s.asSlice(0, MXCSR).fill((byte) 0);
            s.set(ValueLayout.JAVA_SHORT_UNALIGNED, 0, (short) 0x37f);
            s.asSlice(32, 128).fill((byte) 0);
        }
        if ((bv & 2) == 0) {
            s.asSlice(160, 256).fill((byte) 0);
            if (s.get(ValueLayout.JAVA_INT_UNALIGNED, MXCSR) == 0) {
                s.set(ValueLayout.JAVA_INT_UNALIGNED, MXCSR, 0x1f80);
            }
        }
        // the mask is the CPU's, not the guest's; 416-511 is software's
        s.set(ValueLayout.JAVA_INT_UNALIGNED, MXCSR_MASK, 0xffff);
        s.asSlice(416, 96).fill((byte) 0);
    }
}
