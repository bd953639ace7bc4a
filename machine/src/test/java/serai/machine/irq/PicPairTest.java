package serai.machine.irq;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** By the 8259A datasheet. */
class PicPairTest {
    private static final int MASTER = 0x20, SLAVE = 0xa0, ELCR = 0x4d0;
    private static final int EOI = 0x20;

    private final PicPair pic = new PicPair();

    @BeforeEach
    void initialize() {
        initialize(pic, 1);
    }

    /** As every PC's system does: vectors 0x30 and 0x38, cascade on input 2, nothing masked. */
    private static void initialize(PicPair p, int icw4) {
        p.writePort(MASTER, 1, 0x11);
        p.writePort(MASTER + 1, 1, 0x30);
        p.writePort(MASTER + 1, 1, 4);
        p.writePort(MASTER + 1, 1, icw4);
        p.writePort(SLAVE, 1, 0x11);
        p.writePort(SLAVE + 1, 1, 0x38);
        p.writePort(SLAVE + 1, 1, 2);
        p.writePort(SLAVE + 1, 1, icw4);
        p.writePort(MASTER + 1, 1, 0);
        p.writePort(SLAVE + 1, 1, 0);
    }

    private int isr(int port) {
        pic.writePort(port, 1, 0x0b);
        int v = pic.readPort(port, 1);
        pic.writePort(port, 1, 0x0a);
        return v;
    }

    @Test
    void reset_masksEverything() {
        PicPair p = new PicPair();
        p.line(1).set(true);
        assertFalse(p.pending());
        assertEquals(0xff, p.readPort(MASTER + 1, 1));
        assertEquals(0xff, p.readPort(SLAVE + 1, 1));
    }

    @Test
    void fullyNested_highestFirstAndOnlyHigherInterruptsService() {
        pic.line(5).set(true);
        pic.line(3).set(true);
        assertEquals(0x33, pic.acknowledge());
        assertFalse(pic.pending(), "5 waits for the end of 3");
        pic.line(1).set(true);
        assertEquals(0x31, pic.acknowledge());
        assertEquals(0x0a, isr(MASTER));
        pic.writePort(MASTER, 1, EOI);
        assertEquals(0x08, isr(MASTER));
        pic.writePort(MASTER, 1, EOI);
        assertEquals(0x35, pic.acknowledge());
    }

    @Test
    void cascade_slaveVectorAndTwoEnds() {
        pic.line(12).set(true);
        assertEquals(0x3c, pic.acknowledge());
        assertEquals(4, isr(MASTER));
        assertEquals(0x10, isr(SLAVE));
        pic.line(14).set(true);
        assertFalse(pic.pending(), "lower on the slave");
        pic.writePort(SLAVE, 1, EOI);
        pic.writePort(MASTER, 1, EOI);
        assertEquals(0x3e, pic.acknowledge());
    }

    @Test
    void edge_needsANewRiseAndGoesAwayWithTheLine() {
        pic.line(4).set(true);
        assertEquals(0x34, pic.acknowledge());
        pic.writePort(MASTER, 1, EOI);
        assertFalse(pic.pending(), "the line is still high");
        pic.line(4).set(false);
        pic.line(4).set(true);
        assertTrue(pic.pending());
        pic.line(4).set(false);
        assertFalse(pic.pending());
        assertEquals(0x37, pic.acknowledge(), "spurious: input 7");
        assertEquals(0, isr(MASTER), "and not in service");
    }

    @Test
    void level_comesAgainAfterTheEndWhileHigh() {
        pic.writePort(ELCR + 1, 1, 1 << 2);
        assertEquals(1 << 2, pic.readPort(ELCR + 1, 1));
        pic.line(10).set(true);
        assertEquals(0x3a, pic.acknowledge());
        pic.writePort(SLAVE, 1, EOI);
        pic.writePort(MASTER, 1, EOI);
        assertEquals(0x3a, pic.acknowledge());
        pic.line(10).set(false);
        pic.writePort(SLAVE, 1, EOI);
        pic.writePort(MASTER, 1, EOI);
        assertFalse(pic.pending());
    }

    @Test
    void elcr_timerCascadeClockAndCoprocessorStayEdges() {
        pic.writePort(ELCR, 1, 0xff);
        pic.writePort(ELCR + 1, 1, 0xff);
        assertEquals(0xf8, pic.readPort(ELCR, 1));
        assertEquals(0xde, pic.readPort(ELCR + 1, 1));
    }

    @Test
    void ocw1_masksAndKeepsTheRequest() {
        pic.writePort(MASTER + 1, 1, 1 << 4);
        pic.line(4).set(true);
        assertFalse(pic.pending());
        assertEquals(1 << 4, pic.readPort(MASTER, 1), "in IRR");
        pic.writePort(MASTER + 1, 1, 0);
        assertEquals(0x34, pic.acknowledge());
    }

    @Test
    void ocw2_specificEnd() {
        pic.line(5).set(true);
        pic.acknowledge();
        pic.line(1).set(true);
        pic.acknowledge();
        pic.writePort(MASTER, 1, 0x60 | 5);
        assertEquals(2, isr(MASTER));
    }

    @Test
    void ocw2_rotation() {
        pic.line(3).set(true);
        pic.acknowledge();
        pic.line(3).set(false);
        pic.writePort(MASTER, 1, 0xa0); // end, 3 becomes the lowest
        pic.line(3).set(true);
        pic.line(6).set(true);
        assertEquals(0x36, pic.acknowledge());
        pic.writePort(MASTER, 1, 0xc0 | 7); // back
        pic.writePort(MASTER, 1, 0x60 | 6);
        pic.line(1).set(true);
        assertEquals(0x31, pic.acknowledge());
    }

    @Test
    void ocw3_poll() {
        pic.line(6).set(true);
        pic.writePort(MASTER, 1, 0x0c);
        assertEquals(0x86, pic.readPort(MASTER, 1));
        assertEquals(1 << 6, isr(MASTER));
        pic.writePort(MASTER, 1, EOI);
        pic.writePort(MASTER, 1, 0x0c);
        assertEquals(0, pic.readPort(MASTER, 1) & 0x80);
    }

    @Test
    void ocw3_specialMaskLetsLowerOnesIn() {
        pic.line(3).set(true);
        pic.acknowledge();
        pic.line(5).set(true);
        assertFalse(pic.pending());
        pic.writePort(MASTER, 1, 0x68);
        pic.writePort(MASTER + 1, 1, 1 << 3);
        assertEquals(0x35, pic.acknowledge());
    }

    @Test
    void icw4_automaticEnd() {
        initialize(pic, 3);
        pic.line(5).set(true);
        assertEquals(0x35, pic.acknowledge());
        assertEquals(0, isr(MASTER));
    }

    @Test
    void output_listenerIsTold() {
        boolean[] seen = {false};
        pic.onChange(() -> seen[0] = pic.pending());
        pic.line(7).set(true);
        assertTrue(seen[0]);
        pic.line(7).set(false);
        assertFalse(seen[0]);
    }

    @Test
    void saved_midInitializationAndInService_goesOnInANewOne() {
        pic.line(12).set(true);
        assertEquals(0x3c, pic.acknowledge());
        pic.line(1).set(true);
        PicPair copy = new PicPair();
        copy.restore(pic.save());
        copy.line(1).set(true); // as driven before: no new edge
        assertEquals(0x31, copy.acknowledge());
        copy.writePort(MASTER, 1, EOI);
        copy.writePort(SLAVE, 1, EOI);
        copy.writePort(MASTER, 1, EOI);
        assertFalse(copy.pending());

        copy.writePort(MASTER, 1, 0x11);
        copy.writePort(MASTER + 1, 1, 0x50);
        PicPair half = new PicPair();
        half.restore(copy.save());
        half.writePort(MASTER + 1, 1, 4);
        half.writePort(MASTER + 1, 1, 1);
        half.line(0).set(true);
        assertEquals(0x50, half.acknowledge());
    }

    @Test
    void restore_refusesAnUnknownVersion() {
        PicState s = pic.save();
        PicState unknown = new PicState(
                9, s.irr(), s.isr(), s.imr(), s.lines(), s.elcr(), s.base(), s.init(), s.flags(), s.lowest());
        assertThrows(IllegalArgumentException.class, () -> pic.restore(unknown));
        PicState odd = new PicState(
                1, new int[1], s.isr(), s.imr(), s.lines(), s.elcr(), s.base(), s.init(), s.flags(), s.lowest());
        assertThrows(IllegalArgumentException.class, () -> pic.restore(odd));
    }
}
