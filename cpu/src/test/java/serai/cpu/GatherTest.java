package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.EnumSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import serai.machine.engine.CpuFeature;

/**
 * What a gather and a masked move do with an element that can't be accessed: SDM vol. 2, VPGATHERDD and VMASKMOV. The states after a
 * fault are those that the same instructions left on an AMD EPYC.
 */
final class GatherTest {
    /** VPGATHERDD YMM0, [RAX + YMM2 * 4], YMM1. */
    private static final byte[] GATHER = {(byte) 0xc4, (byte) 0xe2, 0x75, (byte) 0x90, 0x04, (byte) 0x90};
    /** VMASKMOVPS YMM0, YMM1, [RAX] and to memory. */
    private static final byte[] LOAD = {(byte) 0xc4, (byte) 0xe2, 0x75, 0x2c, 0x00};

    private static final byte[] STORE = {(byte) 0xc4, (byte) 0xe2, 0x75, 0x2e, 0x00};
    private static final long DATA = OracleMemory.DATA;
    /** No memory to read, and none to write, follows these. */
    private static final long READ_END = DATA + OracleMemory.READABLE, WRITE_END = DATA + OracleMemory.WRITABLE;
    /** An index that leads to where there is no memory. */
    private static final int NOWHERE = 0x10000000;

    private final Cpu cpu = new OracleCpu().ready();

    @BeforeEach
    void memory() {
        for (int i = 0; i < 1024; i++) {
            cpu.store32(DATA + i * 4, 0x1000 + i);
        }
        cpu.r[CpuRegisters.RAX] = DATA;
        set(0, 0xdd00, 0xdd01, 0xdd02, 0xdd03, 0xdd04, 0xdd05, 0xdd06, 0xdd07);
    }

    private void set(int register, int... elements) {
        for (int i = 0; i < 4; i++) {
            cpu.vec[register * 8 + i] = elements[i * 2] & 0xffffffffL | (long) elements[i * 2 + 1] << 32;
        }
    }

    private int[] get(int register) {
        int[] e = new int[8];
        for (int i = 0; i < 8; i++) {
            e[i] = (int) (cpu.vec[register * 8 + i / 2] >>> i % 2 * 32);
        }
        return e;
    }

    private void run(byte[] code) {
        Decoded d = new Decoded();
        Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
        assertEquals(Decoder.Result.OK, decoder.decode(d, i -> i < code.length ? code[i] & 0xff : 0, 8, 8));
        NodeFactory.make(d).execute(cpu);
    }

    @Test
    void gather_keepsWhatItHasDoneBeforeAFault_andGoesOnWhenRunAgain() {
        set(1, 0x80000001, 0x7fffffff, 0x80000000, 1, 0x80000002, 0x80000003, 0x80000000, 0x80000004);
        set(2, 1, 2, 3, NOWHERE, 4, 5, NOWHERE, 6);
        assertThrows(CpuException.class, () -> run(GATHER));
        assertArrayEquals(new int[] {0x1001, 0xdd01, 0x1003, 0xdd03, 0x1004, 0x1005, 0xdd06, 0xdd07}, get(0));
        assertArrayEquals(new int[] {0, 0, 0, 0, 0, 0, 0x80000000, 0x80000004}, get(1));

        set(2, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, 7, 6);
        run(GATHER);
        assertArrayEquals(new int[] {0x1001, 0xdd01, 0x1003, 0xdd03, 0x1004, 0x1005, 0x1007, 0x1006}, get(0));
        assertArrayEquals(new int[8], get(1));
    }

    @Test
    void gather_leavesTheMasksAboveAFaultAsTheyAre() {
        set(1, 0x80000001, 0x7fffffff, 0x80000000, -1, 0x80000002, 0x80000003, 0x12345678, 0x80000004);
        set(2, 1, 2, 3, NOWHERE, 4, 5, NOWHERE, 6);
        assertThrows(CpuException.class, () -> run(GATHER));
        assertArrayEquals(new int[] {0, 0, 0, -1, 0x80000002, 0x80000003, 0x12345678, 0x80000004}, get(1));
    }

    @Test
    void maskedLoad_doesNotTouchMemoryThatIsNotSelected() {
        cpu.r[CpuRegisters.RAX] = READ_END - 8;
        set(1, -1, 0x80000000, 0x7fffffff, 0, 0, 0, 0, 0);
        run(LOAD);
        assertArrayEquals(new int[8], get(0));
        set(0, 1, 2, 3, 4, 5, 6, 7, 8);
        set(1, -1, 0, -1, 0, 0, 0, 0, 0);
        assertThrows(CpuException.class, () -> run(LOAD));
        assertEquals(CpuSegments.PF_VECTOR, cpu.faultVector);
        assertEquals(READ_END, cpu.cr2);
        assertArrayEquals(new int[] {1, 2, 3, 4, 5, 6, 7, 8}, get(0), "nothing changes");
    }

    @Test
    void maskedStore_writesAllThatIsSelectedOrNothing() {
        cpu.r[CpuRegisters.RAX] = WRITE_END - 8;
        cpu.store64(WRITE_END - 8, 0);
        set(1, 0, -1, 0x7fffffff, 0, 0, 0, 0, 0);
        run(STORE);
        assertEquals(0xdd01L << 32, cpu.load64(WRITE_END - 8));
        set(1, -1, 0, 0, 0, 0, -1, 0, 0);
        assertThrows(CpuException.class, () -> run(STORE));
        assertEquals(WRITE_END + 12, cpu.cr2);
        assertEquals(0xdd01L << 32, cpu.load64(WRITE_END - 8), "nothing changes");
    }
}
