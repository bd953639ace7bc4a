package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import serai.machine.cpuid.X86Model;
import serai.machine.memory.GuestMemory;

/**
 * Which translations outlive a load of CR3 (SDM vol. 3, 4.10.2.4 and 4.10.4.1). The tables change under the vCPU without
 * INVLPG, so that a translation that is kept shows by the old page's contents.
 */
final class GlobalPagesTest {
    private static final int PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000, PT = 0x4000;
    private static final int OLD = 0x8000, NEW = 0x9000;
    private static final int LARGE_OLD = 0x200000, LARGE_NEW = 0x400000;
    private static final long LARGE = 0x200000;
    /** Entry 5 of the page table, and what shares a slot of the TLB with it: 1024 pages further. */
    private static final long VA = 5 << 12, SAME_SLOT = VA + (1024 << 12);

    private static final int PT_SAME_SLOT = 0x5000;
    private static final int P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100;
    private static final int ALL = P | RW | US | A | D;
    private static final long NO_FLUSH = 1L << 63;

    private final LongModeGuest guest = new LongModeGuest(new JavaEngine(), X86Model.v3(1));
    private final GuestMemory memory = guest.memory;
    private final Cpu cpu = guest.cpu;

    @AfterEach
    void close() {
        guest.close();
    }

    GlobalPagesTest() {
        memory.writeInt(OLD, 0x01d);
        memory.writeInt(NEW, 0x2e3);
        memory.writeInt(LARGE_OLD, 0x01d);
        memory.writeInt(LARGE_NEW, 0x2e3);
        memory.writeLong(PML4, PDPT | ALL);
        memory.writeLong(PDPT, PD | ALL);
        memory.writeLong(PD, PT | ALL);
        memory.writeLong(PD + 2 * 8, PT_SAME_SLOT | ALL);
        guest.enter(PML4, CpuRegisters.CR4_PGE, CpuRegisters.EFER_NXE);
    }

    private void map(int frame, int bits) {
        memory.writeLong(PT + 5 * 8, frame | ALL | bits);
    }

    /** Maps VA, has it translated, and maps it anew. */
    private void remap(int bits) {
        cpu.flushPage(VA);
        map(OLD, bits);
        shows(OLD);
        map(NEW, bits);
        shows(OLD);
    }

    private void shows(int frame) {
        assertEquals(memory.readInt(frame), cpu.load32(VA), "%#x".formatted(frame));
    }

    private void movToCr3() {
        cpu.control().writeCr(3, cpu.cr3);
    }

    @Test
    void aGlobalPageOutlivesMovToCr3AndGoesWithInvlpg() {
        remap(G);
        movToCr3();
        movToCr3();
        shows(OLD);
        cpu.flushPage(VA);
        shows(NEW);
    }

    @Test
    void anotherPageDoesNotOutliveMovToCr3() {
        remap(0);
        movToCr3();
        shows(NEW);
    }

    @Test
    void aGlobalPageIsKeptForWritingAndForFetching() {
        map(OLD, G);
        cpu.store32(VA, 0x41);
        assertEquals(OLD, cpu.fetchPhysical(VA));
        map(NEW, G);
        movToCr3();
        cpu.store32(VA + 4, 0x42);
        assertEquals(0x42, memory.readInt(OLD + 4));
        assertEquals(0, memory.readInt(NEW + 4));
        assertEquals(OLD, cpu.fetchPhysical(VA));
        cpu.flushPage(VA);
        cpu.store32(VA + 4, 0x43);
        assertEquals(0x43, memory.readInt(NEW + 4));
        assertEquals(NEW, cpu.fetchPhysical(VA));
    }

    @Test
    void otherPagesAreNotKeptForWritingOrFetching() {
        map(OLD, 0);
        cpu.store32(VA, 0x41);
        assertEquals(OLD, cpu.fetchPhysical(VA));
        map(NEW, 0);
        movToCr3();
        cpu.store32(VA + 4, 0x42);
        assertEquals(0x42, memory.readInt(NEW + 4));
        assertEquals(NEW, cpu.fetchPhysical(VA));
    }

    @Test
    void aPageInASlotWithAGlobalOneIsNotKept() {
        for (boolean globalFirst : new boolean[] {true, false}) {
            cpu.flushTlb();
            map(OLD, G);
            memory.writeLong(PT_SAME_SLOT + 5 * 8, OLD | ALL);
            if (globalFirst) {
                shows(OLD);
            }
            privilege(3); // whose entry is in another table
            assertEquals(memory.readInt(OLD), cpu.load32(SAME_SLOT));
            privilege(0);
            shows(OLD);
            memory.writeLong(PT_SAME_SLOT + 5 * 8, NEW | ALL);
            movToCr3();
            privilege(3);
            assertEquals(memory.readInt(NEW), cpu.load32(SAME_SLOT));
            privilege(0);
        }
    }

    private void privilege(int cpl) {
        cpu.cpl = cpl;
        cpu.selectTlb();
    }

    @Test
    void aSlotIsKeptAgainOnceItHoldsGlobalPagesAlone() {
        remap(0);
        movToCr3();
        remap(G);
        movToCr3();
        shows(OLD);
    }

    @Test
    void withoutCr4PgeNoPageIsGlobal() {
        cpu.control().writeCr(4, cpu.cr4 & ~CpuRegisters.CR4_PGE);
        remap(G);
        movToCr3();
        shows(NEW);
    }

    @Test
    void aChangeOfCr4PgeThrowsOutGlobalPages() {
        remap(G);
        cpu.control().writeCr(4, cpu.cr4 & ~CpuRegisters.CR4_PGE);
        shows(NEW);
        remap(G);
        cpu.control().writeCr(4, cpu.cr4 | CpuRegisters.CR4_PGE);
        shows(NEW);
    }

    @Test
    void onlyTheEntryThatMapsThePageMakesItGlobal() {
        memory.writeLong(PML4, PDPT | ALL | G);
        memory.writeLong(PDPT, PD | ALL | G);
        memory.writeLong(PD, PT | ALL | G);
        remap(0);
        movToCr3();
        shows(NEW);
    }

    @Test
    void aLargePageIsGlobalAndGoesWithInvlpgOfAnyOfItsAddresses() {
        memory.writeLong(PD + 3 * 8, LARGE_OLD | ALL | PS | G);
        assertEquals(0x01d, cpu.load32(3 * LARGE));
        memory.writeLong(PD + 3 * 8, LARGE_NEW | ALL | PS | G);
        movToCr3();
        assertEquals(0x01d, cpu.load32(3 * LARGE));
        cpu.flushPage(3 * LARGE + 0x7000);
        assertEquals(0x2e3, cpu.load32(3 * LARGE));
    }

    @Test
    void withPcidsGlobalPagesBelongToEachAndOthersToNone() {
        cpu.control().writeCr(4, cpu.cr4 | CpuRegisters.CR4_PCIDE);
        for (long keep : new long[] {0, NO_FLUSH}) {
            remap(0);
            cpu.control().writeCr(3, PML4 | 1 | keep);
            shows(NEW);
            cpu.flushPage(VA);
            remap(G);
            cpu.control().writeCr(3, PML4 | 2 | keep);
            shows(OLD);
            cpu.flushPage(VA);
        }
        remap(G);
        cpu.control().invalidatePcid(2, 0, 0);
        shows(NEW);
    }

    @Test
    void aTaskSwitchKeepsGlobalPages() {
        cpu.efer = 0;
        cpu.cr4 = CpuRegisters.CR4_PGE;
        cpu.flushTlb();
        cpu.modeChanged();
        // 32-bit paging: PML4 is the page directory
        memory.writeInt(PML4, PT | ALL);
        for (int bits : new int[] {G, 0}) {
            cpu.flushPage(VA);
            memory.writeInt(PT + 5 * 4, OLD | ALL | bits);
            shows(OLD);
            memory.writeInt(PT + 5 * 4, NEW | ALL | bits);
            cpu.loadCr3(PML4);
            shows(bits == G ? OLD : NEW);
            cpu.flushPage(VA);
            shows(NEW);
        }
    }

    @Test
    void whatIsTranslatedWithoutPagingIsNotGlobal() {
        map(OLD, G);
        shows(OLD);
        cpu.cr0 &= ~CpuRegisters.CR0_PG;
        cpu.efer = 0;
        cpu.flushTlb();
        cpu.modeChanged();
        shows((int) VA);
        long tag = cpu.context.readTlb(cpu.tlbTable()) + 5 * 8;
        assertEquals(-VA, GuestMemory.getPlainLong(tag));
        movToCr3();
        assertNotEquals(-VA, GuestMemory.getPlainLong(tag));
    }
}
