package serai.machine.irq;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import serai.machine.bus.IrqLine;
import serai.machine.time.FakeClock;
import serai.machine.time.Timers;

/** By the 82093AA datasheet. */
class IoApicTest {
    private static final int EOI = 0xb0, SVR = 0xf0;
    private static final int LEVEL = 1 << 15, MASKED = 1 << 16, REMOTE_IRR = 1 << 14;

    private final Timers timers = new Timers(new FakeClock());
    private final ReentrantLock lock = new ReentrantLock();
    private final ApicBus bus = new ApicBus();
    private final LocalApic apic = new LocalApic(0, bus, timers, lock);
    private final LocalApic other = new LocalApic(1, bus, timers, lock);
    private final IoApic ioApic = new IoApic(bus);

    @BeforeEach
    void enable() {
        apic.writeMmio(SVR, 4, 0x1ff);
        other.writeMmio(SVR, 4, 0x1ff);
    }

    private static int read(IoApic a, int register) {
        a.writeMmio(0, 4, register);
        return (int) a.readMmio(0x10, 4);
    }

    private void write(int register, int value) {
        ioApic.writeMmio(0, 4, register);
        ioApic.writeMmio(0x10, 4, value & 0xffffffffL);
    }

    private void entry(int pin, int low, int high) {
        write(0x11 + pin * 2, high);
        write(0x10 + pin * 2, low);
    }

    @Test
    void registers_identificationVersionAndTheSelector() {
        write(0, 0x05000000);
        assertEquals(0x05000000, read(ioApic, 0));
        assertEquals(23, read(ioApic, 1) >>> 16 & 0xff, "maximum redirection entry");
        assertEquals(1, ioApic.readMmio(0, 4));
        assertEquals(0, read(ioApic, 0x40), "past the last entry");
        write(0x40, -1);
        assertEquals(MASKED, read(ioApic, 0x10));
    }

    @Test
    void entries_keepWhatIsDefinedAndNoReadOnlyBit() {
        entry(3, -1, -1);
        assertEquals(0, read(ioApic, 0x16) & (REMOTE_IRR | 1 << 12));
        assertEquals(0x1afff, read(ioApic, 0x16));
        assertEquals(0xff000000, read(ioApic, 0x17));
    }

    @Test
    void edge_oneMessageARise() {
        IrqLine line = ioApic.line(4);
        entry(4, 0x44, 0);
        line.set(true);
        line.set(true);
        assertEquals(0x44, apic.acknowledge());
        apic.writeMmio(EOI, 4, 0);
        assertFalse(apic.pending());
        line.set(false);
        line.set(true);
        assertEquals(0x44, apic.acknowledge());
    }

    @Test
    void edge_onAMaskedPinIsLost() {
        IrqLine line = ioApic.line(4);
        entry(4, MASKED | 0x44, 0);
        line.set(true);
        entry(4, 0x44, 0);
        assertFalse(apic.pending());
    }

    @Test
    void level_isSentAgainAfterTheEndWhileTheLineIsHigh() {
        IrqLine line = ioApic.line(17);
        entry(17, LEVEL | 0x61, 0);
        line.set(true);
        assertEquals(0x61, apic.acknowledge());
        assertEquals(LEVEL | REMOTE_IRR | 0x61, read(ioApic, 0x10 + 34));
        apic.writeMmio(EOI, 4, 0);
        assertEquals(0x61, apic.acknowledge());
        line.set(false);
        apic.writeMmio(EOI, 4, 0);
        assertFalse(apic.pending());
        assertEquals(LEVEL | 0x61, read(ioApic, 0x10 + 34));
    }

    @Test
    void level_isNotSentTwiceBeforeItsEnd() {
        IrqLine line = ioApic.line(17);
        entry(17, LEVEL | 0x61, 0);
        line.set(true);
        assertEquals(0x61, apic.acknowledge());
        line.set(false);
        line.set(true);
        apic.writeMmio(EOI, 4, 0);
        assertEquals(0x61, apic.acknowledge());
        line.set(false);
        apic.writeMmio(EOI, 4, 0);
        assertFalse(apic.pending());
    }

    @Test
    void level_highWhileMaskedIsSentWhenUnmasked() {
        ioApic.line(17).set(true);
        entry(17, MASKED | LEVEL | 0x61, 0);
        assertFalse(apic.pending());
        entry(17, LEVEL | 0x61, 0);
        assertEquals(0x61, apic.acknowledge());
    }

    @Test
    void level_switchingToEdgeClearsRemoteIrr() {
        ioApic.line(17).set(true);
        entry(17, LEVEL | 0x61, 0);
        write(0x10 + 34, MASKED | 0x61);
        assertEquals(MASKED | 0x61, read(ioApic, 0x10 + 34));
    }

    @Test
    void destination_physicalAndLogical() {
        IrqLine line = ioApic.line(5);
        entry(5, 0x55, 1 << 24);
        line.set(true);
        assertFalse(apic.pending());
        assertEquals(0x55, other.acknowledge());
        other.writeMmio(EOI, 4, 0);
        apic.writeMmio(0xd0, 4, 1 << 24);
        other.writeMmio(0xd0, 4, 2 << 24);
        entry(5, 1 << 11 | 0x56, 1 << 24);
        line.set(false);
        line.set(true);
        assertEquals(0x56, apic.acknowledge());
        assertFalse(other.pending());
    }

    @Test
    void deliveryMode_nmi() {
        entry(6, 4 << 8, 0);
        ioApic.line(6).set(true);
        assertTrue(apic.takeNmi());
        assertFalse(apic.externalPending());
    }

    @Test
    void saved_withALevelInterruptInService_goesOnInANewOne() {
        ioApic.line(17).set(true);
        entry(17, LEVEL | 0x61, 0);
        assertEquals(0x61, apic.acknowledge());
        ioApic.writeMmio(0, 4, 0x11);
        IoApicState state = ioApic.save();

        ApicBus bus2 = new ApicBus();
        LocalApic apic2 = new LocalApic(0, bus2, timers, lock);
        apic2.restore(apic.save());
        IoApic copy = new IoApic(bus2);
        copy.restore(state);
        assertEquals(0x11, copy.readMmio(0, 4), "the selector");
        copy.line(17).set(true); // the device drives what it drove: no new interrupt
        assertEquals(-1, apic2.acknowledge());
        apic2.writeMmio(EOI, 4, 0);
        assertEquals(0x61, apic2.acknowledge());
        copy.line(17).set(false);
        apic2.writeMmio(EOI, 4, 0);
        assertFalse(apic2.pending());
    }

    @Test
    void restore_refusesAnUnknownVersionAndAWrongNumberOfEntries() {
        assertThrows(IllegalArgumentException.class, () -> ioApic.restore(new IoApicState(2, 0, 0, new long[24], 0)));
        assertThrows(IllegalArgumentException.class, () -> ioApic.restore(new IoApicState(1, 0, 0, new long[23], 0)));
    }
}
