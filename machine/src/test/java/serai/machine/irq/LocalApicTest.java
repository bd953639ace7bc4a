package serai.machine.irq;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import serai.machine.engine.CpuModel;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.Msr;
import serai.machine.time.FakeClock;
import serai.machine.time.Timers;

/** By the sections of SDM vol. 3, chapter 11. */
class LocalApicTest {
    private static final int ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0;
    private static final int SVR = 0xf0, ISR = 0x100, TMR = 0x180, IRR = 0x200, ESR = 0x280, ICR = 0x300;
    private static final int ICR_HIGH = 0x310, LVT_TIMER = 0x320, LVT_LINT0 = 0x350, LVT_ERROR = 0x370;
    private static final int INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0;
    private static final int ENABLE = 0x1ff, DIVIDE_BY_1 = 0xb, MASKED = 1 << 16;
    private static final long TICK = 1_000_000_000L / CpuModel.APIC_HZ;

    private final FakeClock clock = new FakeClock();
    private final Timers timers = new Timers(clock);
    private final ReentrantLock lock = new ReentrantLock();
    private final ApicBus bus = new ApicBus();
    private final LocalApic apic = new LocalApic(0, bus, timers, lock);
    private final LocalApic other = new LocalApic(1, bus, timers, lock);

    @BeforeEach
    void enable() {
        lock.lock(); // as all device code runs
        write(SVR, ENABLE);
        other.writeMmio(SVR, 4, ENABLE);
    }

    @Test
    void s11_5_3_anErrorVectorThatIsIllegalIsOneMoreErrorAndNoMore() {
        write(LVT_ERROR, 3);
        self(5);
        write(ESR, 0);
        assertEquals(0x60, read(ESR), "sent and received");
    }

    @Test
    void s11_5_3_aWriteToTheEsrArmsTheErrorInterruptAgain() {
        write(LVT_ERROR, 0x55);
        for (int i = 0; i < 2; i++) {
            self(5);
            assertEquals(0x55, apic.acknowledge());
            write(EOI, 0);
            self(5);
            assertFalse(apic.externalPending(), "not armed");
            write(ESR, 0);
        }
    }

    @Test
    void save_keepsErrorsNotYetRead() {
        self(5);
        LocalApicState s = apic.save();
        write(ESR, 0);
        write(ESR, 0);
        assertEquals(0, read(ESR));
        apic.restore(s);
        write(ESR, 0);
        assertEquals(0x20, read(ESR) & 0x20);
    }

    private int read(int register) {
        return (int) apic.readMmio(register, 4);
    }

    private void write(int register, int value) {
        apic.writeMmio(register, 4, value & 0xffffffffL);
    }

    private void self(int vector) {
        write(ICR, 0x44000 | vector);
    }

    private void msr(int index, long value) {
        try {
            apic.writeMsr(index, value);
        } catch (GeneralProtection e) {
            throw new AssertionError("WRMSR %#x".formatted(index), e);
        }
    }

    private long msr(int index) {
        try {
            return apic.readMsr(index);
        } catch (GeneralProtection e) {
            throw new AssertionError("RDMSR %#x".formatted(index), e);
        }
    }

    private void x2apic() {
        msr(Msr.APIC_BASE, 0xfee00d00L);
    }

    // ---- 11.4: state ----

    @Test
    void s11_4_7_1_powerUp() {
        apic.reset();
        assertEquals(0, read(ID));
        assertEquals(1 << 24, (int) other.readMmio(ID, 4));
        assertEquals(0x14, read(VERSION) & 0xff);
        assertEquals(-1, read(DFR));
        assertEquals(0, read(LDR));
        assertEquals(0xff, read(SVR));
        assertEquals(MASKED, read(LVT_TIMER));
        assertEquals(MASKED, read(LVT_LINT0));
        assertEquals(0xfee00900L, msr(Msr.APIC_BASE));
        assertFalse(apic.pending());
        assertEquals(0xfee00000L, apic.mmioBase());
    }

    @Test
    void s11_4_7_2_softwareDisabled_masksTheTableAndTakesNoFixedInterrupts() {
        write(LVT_TIMER, 0x40);
        write(SVR, 0xff);
        assertEquals(MASKED | 0x40, read(LVT_TIMER));
        write(LVT_TIMER, 0x41);
        assertEquals(MASKED | 0x41, read(LVT_TIMER));
        bus.send(0xfee00000L, 0x55);
        assertFalse(apic.pending());
        bus.send(0xfee00000L, Msg.NMI);
        assertTrue(apic.pending());
    }

    private static final class Msg {
        static final int NMI = 4 << 8;
        static final int LEVEL = 0xc000;
        static final int LOWEST = 1 << 8;
        static final int INIT = 5 << 8;
    }

    @Test
    void s11_4_3_globallyDisabled_hidesThePageAndTakesNoMessages() {
        msr(Msr.APIC_BASE, 0xfee00000L);
        assertEquals(-1, apic.mmioBase());
        bus.send(0xfee00000L, 0x55);
        assertFalse(apic.pending());
        assertEquals(0xfee00100L, msr(Msr.APIC_BASE));
    }

    @Test
    void s11_4_4_baseCanBeMoved() {
        msr(Msr.APIC_BASE, 0xfed00900L);
        assertEquals(0xfed00000L, apic.mmioBase());
    }

    @ParameterizedTest
    @ValueSource(longs = {0xfee00400L, 0xfee00901L, 1L << 60 | 0xfee00900L})
    void s11_4_4_reservedBitsAndInvalidStatesOfTheBaseFault(long value) {
        assertThrows(GeneralProtection.class, () -> apic.writeMsr(Msr.APIC_BASE, value));
    }

    // ---- 11.8: handling interrupts ----

    @Test
    void s11_8_3_priorityOrdersDelivery() {
        self(0x51);
        self(0x73);
        self(0x62);
        assertEquals(0x73, apic.acknowledge());
        assertEquals(0x70, read(PPR));
        assertFalse(apic.pending(), "lower ones wait for the end");
        assertEquals(-1, apic.acknowledge());
        write(EOI, 0);
        assertEquals(0x62, apic.acknowledge());
        write(EOI, 0);
        assertEquals(0x51, apic.acknowledge());
        write(EOI, 0);
        assertFalse(apic.pending());
        assertEquals(0, read(PPR));
    }

    @Test
    void s11_8_3_sameClassDoesNotNest() {
        self(0x61);
        assertEquals(0x61, apic.acknowledge());
        self(0x6f);
        assertFalse(apic.externalPending());
        self(0x70);
        assertEquals(0x70, apic.acknowledge());
    }

    @Test
    void s11_8_3_1_taskPriorityHoldsBack() {
        write(TPR, 0x60);
        self(0x6f);
        assertFalse(apic.pending());
        assertEquals(6, apic.taskPriority());
        apic.taskPriority(5);
        assertEquals(0x50, read(TPR));
        assertTrue(apic.externalPending());
        assertEquals(0x6f, apic.acknowledge());
    }

    @Test
    void s11_8_3_1_ppr_isTprWithinItsClass() {
        self(0x45);
        apic.acknowledge();
        write(TPR, 0x43);
        assertEquals(0x43, read(PPR));
        write(TPR, 0x35);
        assertEquals(0x40, read(PPR));
    }

    @Test
    void s11_8_4_bitmapsShowWaitingAndServed() {
        self(0x41);
        assertEquals(1 << 1, read(IRR + 0x20));
        apic.acknowledge();
        assertEquals(0, read(IRR + 0x20));
        assertEquals(1 << 1, read(ISR + 0x20));
        self(0x41);
        assertEquals(1 << 1, read(IRR + 0x20), "one more can wait");
        write(EOI, 0);
        assertEquals(0x41, apic.acknowledge());
    }

    @Test
    void s11_8_5_endOfALevelInterruptReachesTheIoApic() {
        int[] ended = {-1};
        apic.onEoi(v -> ended[0] = v);
        bus.send(0xfee00000L, Msg.LEVEL | 0x60);
        assertEquals(1, read(TMR + 0x30));
        apic.acknowledge();
        write(EOI, 0);
        assertEquals(0x60, ended[0]);
        ended[0] = -1;
        bus.send(0xfee00000L, 0x60);
        assertEquals(0, read(TMR + 0x30));
        apic.acknowledge();
        write(EOI, 0);
        assertEquals(-1, ended[0]);
    }

    @Test
    void s11_8_5_endWithNothingInServiceDoesNothing() {
        write(EOI, 0);
        assertFalse(apic.pending());
    }

    @Test
    void pending_listenerIsToldWithTheInterruptVisible() {
        boolean[] seen = {false};
        apic.onPending(() -> seen[0] = apic.pending());
        self(0x80);
        assertTrue(seen[0]);
    }

    // ---- 11.5: local interrupts ----

    @Test
    void s11_5_1_lint0_virtualWireTakesThe8259s() {
        boolean[] line = {false};
        apic.wireExtInt(() -> line[0], () -> 0x33);
        line[0] = true;
        apic.update();
        assertFalse(apic.pending(), "masked after reset");
        write(LVT_LINT0, 0x700);
        assertTrue(apic.externalPending());
        self(0x90);
        assertEquals(0x90, apic.acknowledge(), "its own come first");
        assertEquals(0x33, apic.acknowledge(), "whatever the priority: the 8259s have their own");
        line[0] = false;
        apic.update();
        assertFalse(apic.pending());
    }

    @Test
    void s11_5_3_errors_areLatchedByAWriteAndRaiseTheErrorInterrupt() {
        write(LVT_ERROR, 0xfe);
        self(0x0f);
        assertEquals(0, read(ESR));
        write(ESR, 0);
        assertEquals(1 << 5, read(ESR));
        assertEquals(0xfe, apic.acknowledge());
        write(ESR, 0);
        assertEquals(0, read(ESR));
        bus.send(0xfee00000L, 0x05);
        write(ESR, 0);
        assertEquals(1 << 6, read(ESR));
        read(0);
        write(ESR, 0);
        assertEquals(1 << 7, read(ESR));
    }

    @ParameterizedTest
    @CsvSource({"0xb,1", "0,2", "1,4", "2,8", "3,16", "8,32", "9,64", "0xa,128"})
    void s11_5_4_timer_dividers(String code, int divisor) {
        write(DIVIDE, Integer.decode(code));
        write(LVT_TIMER, 0x40);
        write(INITIAL, 100);
        assertEquals(100, read(CURRENT));
        clock.advance(timers, 50 * divisor * TICK);
        assertEquals(50, read(CURRENT));
        clock.advance(timers, 50 * divisor * TICK - 1);
        assertFalse(apic.pending());
        clock.advance(timers, 1);
        assertEquals(0x40, apic.acknowledge());
        assertEquals(0, read(CURRENT));
    }

    @Test
    void s11_5_4_timer_oneShotFiresOnceAndAWriteOfZeroStopsIt() {
        write(DIVIDE, DIVIDE_BY_1);
        write(LVT_TIMER, 0x40);
        write(INITIAL, 10);
        clock.advance(timers, 1000 * TICK);
        assertEquals(0x40, apic.acknowledge());
        write(EOI, 0);
        clock.advance(timers, 1000 * TICK);
        assertFalse(apic.pending());
        write(INITIAL, 10);
        write(INITIAL, 0);
        clock.advance(timers, 1000 * TICK);
        assertFalse(apic.pending());
        assertEquals(Timers.NEVER, timers.next());
    }

    @Test
    void s11_5_4_timer_periodicKeepsItsPhase() {
        write(DIVIDE, DIVIDE_BY_1);
        write(LVT_TIMER, 0x20040);
        write(INITIAL, 1000);
        for (int i = 1; i <= 5; i++) {
            clock.advance(timers, 1000 * TICK - 1);
            assertFalse(apic.pending(), "period " + i);
            clock.advance(timers, 1);
            assertEquals(0x40, apic.acknowledge(), "period " + i);
            write(EOI, 0);
        }
        assertEquals(1000, read(CURRENT));
    }

    @Test
    void s11_5_4_timer_periodicLateCatchesUpWithoutABurst() {
        write(DIVIDE, DIVIDE_BY_1);
        write(LVT_TIMER, 0x20040);
        write(INITIAL, 1000);
        clock.set(1_000_000 * TICK);
        int runs = 0;
        while (timers.next() <= clock.nanos() && runs < 10) {
            timers.runDue();
            runs++;
        }
        assertTrue(runs <= 2, () -> "one, and perhaps the next");
        assertEquals(0x40, apic.acknowledge());
    }

    @Test
    void s11_5_4_timer_maskedCountsSilently() {
        write(DIVIDE, DIVIDE_BY_1);
        write(LVT_TIMER, MASKED | 0x40);
        write(INITIAL, 1000);
        clock.advance(timers, 400 * TICK);
        assertEquals(600, read(CURRENT));
        clock.advance(timers, 600 * TICK);
        assertEquals(0, read(CURRENT));
        assertFalse(apic.pending());
    }

    @Test
    void s11_5_4_1_deadline_firesAtTheTscAndReadsZeroThen() {
        write(LVT_TIMER, 0x40040);
        msr(Msr.TSC_DEADLINE, 5_000);
        assertEquals(5_000, msr(Msr.TSC_DEADLINE));
        clock.advance(timers, 4_999);
        assertFalse(apic.pending());
        clock.advance(timers, 1);
        assertEquals(0x40, apic.acknowledge());
        assertEquals(0, msr(Msr.TSC_DEADLINE));
    }

    @Test
    void s11_5_4_1_deadline_inThePastFiresAtOnceAndZeroDisarms() {
        clock.set(10_000);
        write(LVT_TIMER, 0x40040);
        msr(Msr.TSC_DEADLINE, 1);
        timers.runDue();
        assertTrue(apic.pending());
        apic.acknowledge();
        write(EOI, 0);
        msr(Msr.TSC_DEADLINE, 20_000);
        msr(Msr.TSC_DEADLINE, 0);
        clock.advance(timers, 100_000);
        assertFalse(apic.pending());
    }

    @Test
    void s11_5_4_1_deadline_ofTheOtherModesIsIgnoredAndReadsZero() {
        write(LVT_TIMER, 0x40);
        msr(Msr.TSC_DEADLINE, 5_000);
        assertEquals(0, msr(Msr.TSC_DEADLINE));
        assertEquals(Timers.NEVER, timers.next());
        write(LVT_TIMER, 0x40040);
        write(INITIAL, 10);
        assertEquals(Timers.NEVER, timers.next(), "and the count in deadline mode");
    }

    @Test
    void s11_5_4_1_leavingDeadlineModeDisarms() {
        write(LVT_TIMER, 0x40040);
        msr(Msr.TSC_DEADLINE, 5_000);
        write(LVT_TIMER, 0x40);
        clock.advance(timers, 10_000);
        assertFalse(apic.pending());
    }

    // ---- 11.6: IPIs ----

    @Test
    void s11_6_1_shorthands() {
        write(ICR, 1 << 18 | 0x4000 | 0x41);
        assertEquals(0x41, apic.acknowledge());
        assertFalse(other.pending());
        write(ICR, 3 << 18 | 0x4000 | 0x52);
        assertFalse(apic.pending());
        assertEquals(0x52, other.acknowledge());
        write(ICR, 2 << 18 | 0x4000 | 0x63);
        assertEquals(0x63, apic.acknowledge());
        assertEquals(0x63, other.acknowledge());
    }

    @Test
    void s11_6_2_1_physicalDestination() {
        write(ICR_HIGH, 1 << 24);
        write(ICR, 0x4000 | 0x41);
        assertFalse(apic.pending());
        assertEquals(0x41, other.acknowledge());
        write(ICR_HIGH, 0xff << 24);
        write(ICR, 0x4000 | 0x52);
        assertEquals(0x52, apic.acknowledge());
        assertEquals(0x52, other.acknowledge());
        write(ICR_HIGH, 9 << 24);
        write(ICR, 0x4000 | 0x63);
        assertFalse(apic.pending());
        assertFalse(other.pending());
    }

    @Test
    void s11_6_2_2_logicalFlatAndCluster() {
        write(LDR, 1 << 24);
        other.writeMmio(LDR, 4, 2 << 24);
        write(ICR_HIGH, 2 << 24);
        write(ICR, 0x4800 | 0x41);
        assertFalse(apic.pending());
        assertEquals(0x41, other.acknowledge());
        write(DFR, 0x0fffffff);
        other.writeMmio(DFR, 4, 0x0fffffff);
        write(LDR, 0x11 << 24);
        other.writeMmio(LDR, 4, 0x21 << 24);
        write(ICR_HIGH, 0x21 << 24);
        write(ICR, 0x4800 | 0x52);
        assertFalse(apic.pending(), "the same bit in another cluster");
        assertEquals(0x52, other.acknowledge());
    }

    @Test
    void s11_6_2_4_lowestPriority() {
        write(TPR, 0x20);
        bus.send(0xfeeff000L, Msg.LOWEST | 0x41);
        assertFalse(apic.pending());
        assertEquals(0x41, other.acknowledge());
        other.writeMmio(TPR, 4, 0x80);
        bus.send(0xfeeff000L, Msg.LOWEST | 0x52);
        assertEquals(0x52, apic.acknowledge());
        assertFalse(other.pending());
    }

    @Test
    void s11_6_1_initThenStartup() {
        write(ICR_HIGH, 1 << 24);
        write(ICR, 0x4500);
        assertTrue(other.pending());
        assertTrue(other.takeInit());
        assertFalse(other.takeInit());
        write(ICR, 0x4600 | 0x9a);
        assertTrue(other.pending());
        assertEquals(0x9a, other.takeStartup());
        assertEquals(-1, other.takeStartup());
        assertFalse(other.pending());
        write(ICR, 0x8500); // level de-assert: nothing
        assertFalse(other.pending());
    }

    @Test
    void s11_6_1_nmi() {
        write(ICR_HIGH, 1 << 24);
        write(ICR, 0x4400);
        assertTrue(other.pending());
        assertFalse(other.externalPending());
        assertTrue(other.takeNmi());
        assertFalse(other.takeNmi());
    }

    // ---- 11.11: messages ----

    @Test
    void s11_11_1_messageAddressAndData() {
        bus.send(0xfee01000L, 0x77);
        assertFalse(apic.pending());
        assertEquals(0x77, other.acknowledge());
        bus.send(0xfed01000L, 0x88); // not the APICs' range
        bus.send(0x1_fee01000L, 0x88);
        assertFalse(other.pending());
    }

    // ---- 11.12: x2APIC ----

    @Test
    void s11_12_1_x2apic_isReachedByMsrsAlone() {
        assertThrows(GeneralProtection.class, () -> apic.readMsr(0x802));
        x2apic();
        assertEquals(-1, apic.mmioBase());
        assertEquals(0, msr(0x802));
        assertEquals(1, msr(0x80d), "logical id: cluster 0, bit 0");
        msr(0x808, 0x30);
        assertEquals(0x30, msr(0x808));
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                0x800, 0x801, 0x804, 0x809, 0x80b, 0x80c, 0x80e, 0x829, 0x82f, 0x831, 0x83a, 0x83d, 0x83f, 0x840, 0x8ff
            })
    void s11_12_1_2_x2apic_readsOfWhatIsNotThereFault(int index) {
        x2apic();
        assertThrows(GeneralProtection.class, () -> apic.readMsr(index));
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                0x800, 0x802, 0x803, 0x804, 0x809, 0x80a, 0x80c, 0x80d, 0x80e, 0x810, 0x817, 0x818, 0x820, 0x827, 0x829,
                0x82f, 0x831, 0x839, 0x83a, 0x83d, 0x840, 0x8ff
            })
    void s11_12_1_2_x2apic_writesOfWhatCanNotBeWrittenFault(int index) {
        x2apic();
        assertThrows(GeneralProtection.class, () -> apic.writeMsr(index, 0));
    }

    @Test
    void s11_12_9_x2apic_icrIs64BitsAndSelfIpi() {
        x2apic();
        msr(0x830, 1L << 32 | 0x4000 | 0x41);
        assertEquals(0x41, other.acknowledge());
        assertEquals(1L << 32 | 0x4041, msr(0x830));
        msr(0x83f, 0x52);
        assertEquals(0x52, apic.acknowledge());
        msr(0x80b, 0);
        assertFalse(apic.pending());
        assertThrows(GeneralProtection.class, () -> apic.writeMsr(0x808, 1L << 32));
    }

    /** Register, a value that is all right, one that has a reserved bit. */
    @ParameterizedTest
    @CsvSource({
        "0x808, 0xff, 0x100",
        "0x80b, 0, 1",
        "0x80f, 0x1ff, 0x1000",
        "0x828, 0, 1",
        "0x830, 0xc4041, 0x10000",
        "0x830, 0x44041, 0x2000",
        "0x830, 0x44041, 0x100000",
        "0x832, 0x500ff, 0x80000",
        "0x833, 0x107ff, 0x20000",
        "0x834, 0x107ff, 0x800",
        "0x835, 0x1a7ff, 0x20000",
        "0x836, 0x1a7ff, 0x800",
        "0x837, 0x100ff, 0x100",
        "0x838, 0xffffffff, 0x100000000",
        "0x83e, 0xb, 4",
        "0x83f, 0xff, 0x100",
    })
    void s11_12_1_3_x2apic_reservedBitsFault(int index, long good, long bad) {
        x2apic();
        msr(index, good);
        assertThrows(GeneralProtection.class, () -> apic.writeMsr(index, bad));
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                0x802, 0x803, 0x808, 0x80a, 0x80d, 0x80f, 0x810, 0x817, 0x818, 0x81f, 0x820, 0x827, 0x828, 0x830, 0x832,
                0x833, 0x834, 0x835, 0x836, 0x837, 0x838, 0x839, 0x83e
            })
    void s11_12_1_2_x2apic_everyRegisterReads(int index) {
        x2apic();
        msr(index);
        msr(0x828, 0);
        assertEquals(0, msr(0x828), "without an error");
    }

    @Test
    void s11_12_11_x2apic_selfIpiOfAnIllegalVectorIsAnErrorInSending() {
        x2apic();
        msr(0x83f, 15);
        assertFalse(apic.pending());
        msr(0x828, 0);
        assertEquals(0x20, msr(0x828));
    }

    @Test
    void s11_6_1_deliveryStatusIsNotTheGuestsToSet() {
        write(ICR, 0x45041);
        assertEquals(0x44041, read(ICR));
        x2apic();
        msr(0x830, 0x45041);
        assertEquals(0x44041, msr(0x830));
    }

    /** Sixteen CPUs and one, so that there is a second cluster. */
    private LocalApic[] seventeen(ApicBus of) {
        LocalApic[] all = new LocalApic[17];
        for (int i = 0; i < all.length; i++) {
            all[i] = new LocalApic(i, of, timers, lock);
            all[i].writeMmio(SVR, 4, ENABLE);
            try {
                all[i].writeMsr(Msr.APIC_BASE, 0xfee00c00L);
            } catch (GeneralProtection e) {
                throw new AssertionError(e);
            }
        }
        return all;
    }

    /** Who has an interrupt, a bit for each; takes it. */
    private static int receivers(LocalApic[] all) {
        int set = 0;
        for (int i = 0; i < all.length; i++) {
            if (all[i].externalPending()) {
                set |= 1 << i;
                all[i].acknowledge();
            }
        }
        return set;
    }

    @ParameterizedTest
    @CsvSource({
        "0x000000ff, true, 0xff", // eight of a cluster, not all
        "0x0000ffff, true, 0xffff",
        "0x00008001, true, 0x8001",
        "0x00010001, true, 0x10000",
        "0x00010002, true, 0",
        "0x00020001, true, 0",
        "0xffffffff, true, 0x1ffff",
        "0xffffffff, false, 0x1ffff",
        "0x00000010, false, 0x10000",
        "0x000000ff, false, 0", // nobody's id
        "0x00010001, false, 0",
    })
    void s11_12_10_x2apic_destinations(String destination, boolean logical, int receivers) throws GeneralProtection {
        LocalApic[] all = seventeen(new ApicBus());
        all[3].writeMsr(0x830, Long.decode(destination) << 32 | (logical ? 0x800 : 0) | 0x4041);
        assertEquals(receivers, receivers(all));
    }

    @Test
    void s11_12_10_x2apic_aMessageFor0xffIsForAll() {
        ApicBus of = new ApicBus();
        LocalApic[] all = seventeen(of);
        of.send(0xfeeff000L, 0x41);
        assertEquals(0x1ffff, receivers(all));
    }

    @Test
    void s11_12_10_x2apic_logicalIdsAreMadeOfTheIds() throws GeneralProtection {
        LocalApic[] all = seventeen(new ApicBus());
        assertEquals(0x8000, all[15].readMsr(0x80d));
        assertEquals(0x10001, all[16].readMsr(0x80d));
        assertEquals(16, all[16].readMsr(0x802), "32 bits, not in the highest byte");
    }

    @Test
    void s11_4_7_3_initResetsAllButIdAndMode() {
        x2apic();
        msr(0x832, 0x40040);
        msr(Msr.TSC_DEADLINE, 9_000);
        msr(0x808, 0x30);
        msr(0x83f, 0x52);
        bus.send(0xfee00000L, Msg.INIT);
        assertTrue(apic.takeInit());
        assertEquals(0, msr(0x808));
        assertEquals(0xff, msr(0x80f));
        assertEquals(MASKED, msr(0x832));
        assertEquals(0, msr(0x822));
        assertEquals(-1, apic.mmioBase(), "still an x2APIC");
        clock.advance(timers, 10_000);
        assertFalse(apic.pending());
    }

    @Test
    void s11_5_4_1_deadline_isDisarmedByZeroByItsPassingAndByAnotherMode() {
        x2apic();
        msr(Msr.TSC_DEADLINE, 50);
        assertEquals(0, msr(Msr.TSC_DEADLINE), "not in this mode");
        msr(0x832, 0x40040);
        msr(Msr.TSC_DEADLINE, 50);
        msr(Msr.TSC_DEADLINE, 0);
        clock.advance(timers, 100);
        assertFalse(apic.pending());
        msr(Msr.TSC_DEADLINE, 150);
        clock.advance(timers, 50);
        assertEquals(0x40, apic.acknowledge());
        assertEquals(0, msr(Msr.TSC_DEADLINE));
        msr(0x80b, 0);
        msr(Msr.TSC_DEADLINE, 200);
        msr(0x832, 0x40);
        msr(0x832, 0x40040);
        clock.advance(timers, 1000);
        assertFalse(apic.pending());
        msr(Msr.TSC_DEADLINE, 1);
        clock.advance(timers, 0);
        assertEquals(0x40, apic.acknowledge(), "a past one is due at once");
    }

    @Test
    void s11_12_5_x2apic_backOnlyThroughDisabled() {
        x2apic();
        assertThrows(GeneralProtection.class, () -> apic.writeMsr(Msr.APIC_BASE, 0xfee00900L));
        msr(Msr.APIC_BASE, 0xfee00100L);
        assertThrows(GeneralProtection.class, () -> apic.writeMsr(Msr.APIC_BASE, 0xfee00d00L));
        msr(Msr.APIC_BASE, 0xfee00900L);
        assertEquals(0xfee00000L, apic.mmioBase());
    }

    // ---- state ----

    @Test
    void saved_midOperation_goesOnInANewOne() {
        write(DIVIDE, DIVIDE_BY_1);
        write(LVT_TIMER, 0x20040);
        write(INITIAL, 1000);
        clock.advance(timers, 1300 * TICK); // in its second period, the first tick waiting
        write(TPR, 0x10);
        bus.send(0xfee00000L, Msg.LEVEL | 0x61);
        assertEquals(0x61, apic.acknowledge());
        bus.send(0xfee00000L, Msg.NMI);
        LocalApicState state = apic.save();

        FakeClock clock2 = new FakeClock();
        clock2.set(clock.nanos());
        Timers timers2 = new Timers(clock2);
        ApicBus bus2 = new ApicBus();
        LocalApic copy = new LocalApic(0, bus2, timers2, lock);
        copy.restore(state);
        int[] ended = {-1};
        copy.onEoi(v -> ended[0] = v);
        assertTrue(copy.takeNmi());
        assertFalse(copy.externalPending(), "0x40 is below what is in service");
        assertEquals(700, (int) copy.readMmio(CURRENT, 4));
        copy.writeMmio(EOI, 4, 0);
        assertEquals(0x61, ended[0]);
        assertEquals(0x40, copy.acknowledge());
        copy.writeMmio(EOI, 4, 0);
        clock2.advance(timers2, 700 * TICK - 1);
        assertFalse(copy.pending());
        clock2.advance(timers2, 1);
        assertEquals(0x40, copy.acknowledge());
        assertArrayEquals(state.page(), apic.save().page(), "the record shares nothing with the device");
    }

    @Test
    void saved_x2apicAndDeadline() {
        write(LVT_TIMER, 0x40040);
        x2apic();
        msr(Msr.TSC_DEADLINE, 9_000);
        LocalApic copy = new LocalApic(0, new ApicBus(), timers, lock);
        copy.restore(apic.save());
        apic.reset();
        clock.advance(timers, 8_999);
        assertFalse(copy.pending());
        clock.advance(timers, 1);
        assertEquals(0x40, copy.acknowledge());
        assertEquals(-1, copy.mmioBase());
    }

    @Test
    void restore_refusesAnUnknownVersion() {
        LocalApicState s = apic.save();
        LocalApicState unknown = new LocalApicState(99, s.apicBase(), s.page(), 0, 0, 0, false, false, -1, false, 0);
        assertThrows(IllegalArgumentException.class, () -> apic.restore(unknown));
        LocalApicState small = new LocalApicState(2, s.apicBase(), new byte[8], 0, 0, 0, false, false, -1, false, 0);
        assertThrows(IllegalArgumentException.class, () -> apic.restore(small));
    }
}
