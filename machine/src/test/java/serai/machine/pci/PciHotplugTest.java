package serai.machine.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import serai.machine.Layout;
import serai.machine.MachineState;
import serai.machine.TestPc;
import serai.machine.engine.VcpuHost;

/** Functions that come and go while the machine runs, as the DSDT's methods see it. */
final class PciHotplugTest {
    private static final int UP = Layout.PCI_HOTPLUG_BASE, DOWN = UP + 4, EJECT = UP + 8;
    private static final int GPE_STATUS = Layout.PM_BASE + 0x20, GPE_ENABLE = Layout.PM_BASE + 0x22;
    private static final int SLOT = TestPc.HOT_SLOTS[0];
    private static final long CONFIG = Layout.ECAM_BASE + ((long) SLOT << 15);
    private static final long BAR = Layout.PCI_WINDOW_64 + 0x1000000;

    /** The SCI in the 8259s' request register: input 9 is the slave's second. */
    private static boolean sci(VcpuHost h) {
        h.portWrite(0xa0, 1, 0x0a);
        return (h.portRead(0xa0, 1) & 2) != 0;
    }

    private static void decode(VcpuHost h) {
        h.mmioWrite(CONFIG + 0x20, 8, BAR);
        h.mmioWrite(CONFIG + 4, 2, 6);
    }

    @Test
    void plugging_raisesTheEventAndNamesTheSlotOnce() {
        try (TestPc pc = new TestPc()) {
            VcpuHost h = pc.host();
            assertEquals(0xffff, h.mmioRead(CONFIG, 2));
            h.portWrite(GPE_ENABLE, 2, 1 << Layout.GPE_PCI_HOTPLUG);
            assertFalse(sci(h));
            pc.hotPlug(0);
            assertTrue(sci(h));
            assertEquals(1 << Layout.GPE_PCI_HOTPLUG, h.portRead(GPE_STATUS, 2));
            assertEquals(1 << SLOT, h.portRead(UP, 4));
            assertEquals(0, h.portRead(UP, 4));
            assertEquals(0x1af4, h.mmioRead(CONFIG, 2));
        }
    }

    @Test
    void removalIsAskedForAndEndsWithTheGuestsEject() {
        try (TestPc pc = new TestPc()) {
            VcpuHost h = pc.host();
            pc.hotPlug(0);
            pc.machine.requestUnplug(SLOT);
            assertEquals(1 << SLOT, h.portRead(DOWN, 4));
            assertEquals(0, h.portRead(DOWN, 4));
            assertTrue(pc.hotPlugged(0));
            pc.machine.requestUnplug(SLOT); // the guest may not have listened: ask again
            assertEquals(1 << SLOT, h.portRead(DOWN, 4));
            h.portWrite(EJECT, 4, 1 << SLOT);
            assertFalse(pc.hotPlugged(0));
            assertEquals(0xffff, h.mmioRead(CONFIG, 2));
            pc.hotPlug(0);
            assertTrue(pc.hotPlugged(0));
            h.portWrite(EJECT + 1, 1, 1 << SLOT - 16);
            assertTrue(pc.hotPlugged(0));
            h.portWrite(EJECT + 2, 1, 1 << SLOT - 16); // a byte of the register
            assertFalse(pc.hotPlugged(0));
        }
    }

    @Test
    void aReset_takesOutWhatTheGuestWasAskedFor() {
        try (TestPc pc = new TestPc()) {
            pc.hotPlug(0);
            pc.hotPlug(1);
            pc.machine.requestUnplug(SLOT);
            pc.machine.reset();
            assertFalse(pc.hotPlugged(0));
            assertTrue(pc.hotPlugged(1));
            assertEquals(0, pc.host().portRead(UP, 4));
        }
    }

    @Test
    void whatIsThereFromTheStart_canNotBeEjected() {
        try (TestPc pc = new TestPc()) {
            pc.host().portWrite(EJECT, 4, -1);
            assertEquals(0x1af4, pc.config(Layout.FIRST_DISK_SLOT, 0) & 0xffff);
            assertThrows(IllegalArgumentException.class, () -> pc.machine.hotPlug(5, new HostBridge()));
        }
    }

    /** The guest takes it out while its driver still uses it: requests under way go nowhere, and its addresses are empty. */
    @Test
    void surpriseRemoval_duringARequest() {
        try (TestPc pc = new TestPc()) {
            VcpuHost h = pc.host();
            pc.hotPlug(0);
            decode(h);
            long ring = 0x10000;
            h.mmioWrite(BAR + 20, 1, 3);
            h.mmioWrite(BAR + 8, 4, 1);
            h.mmioWrite(BAR + 12, 4, 1);
            h.mmioWrite(BAR + 20, 1, 11);
            h.mmioWrite(BAR + 24, 2, 8);
            h.mmioWrite(BAR + 32, 8, ring);
            h.mmioWrite(BAR + 40, 8, ring + 0x400);
            h.mmioWrite(BAR + 48, 8, ring + 0x800);
            h.mmioWrite(BAR + 28, 2, 1);
            h.mmioWrite(BAR + 20, 1, 15);
            long[][] chain = {{ring + 0x1000, 16, 1}, {ring + 0x2000, 512, 3}, {ring + 0x1010, 1, 2}};
            for (int i = 0; i < 3; i++) {
                pc.memory.writeLong(ring + i * 16, chain[i][0]);
                pc.memory.writeInt(ring + i * 16 + 8, (int) chain[i][1]);
                pc.memory.writeShort(ring + i * 16 + 12, (int) chain[i][2]);
                pc.memory.writeShort(ring + i * 16 + 14, i + 1);
            }
            pc.memory.writeShort(ring + 0x402, 1);
            h.mmioWrite(BAR + 0x3000, 2, 0);
            h.portWrite(EJECT, 4, 1 << SLOT);
            pc.engine.cpu().count += 1_000_000; // past the disk's latency
            pc.runDue();
            assertEquals(0, pc.memory.readShort(ring + 0x802), "nothing is used");
            long unclaimed = pc.machine.unclaimedAccesses();
            h.mmioWrite(BAR + 0x3000, 2, 0);
            assertEquals(-1, (int) h.mmioRead(BAR, 4));
            assertEquals(unclaimed + 2, pc.machine.unclaimedAccesses());
        }
    }

    @Test
    void aSavedMachineKnowsWhatIsPlugged() {
        try (TestPc one = new TestPc();
                TestPc other = new TestPc()) {
            one.hotPlug(1);
            one.hotPlug(0); // not in the order of the slots
            decode(one.host());
            MachineState state = one.machine.save();
            String refused =
                    String.valueOf(assertThrows(IllegalArgumentException.class, () -> other.machine.restore(state))
                            .getMessage());
            assertTrue(refused.contains("virtio-blk-hot"), refused);
            other.hotPlug(0);
            other.hotPlug(1);
            other.machine.restore(state);
            assertEquals(0x1af4, other.host().mmioRead(CONFIG, 2));
            assertEquals(one.host().mmioRead(BAR + 18, 2), other.host().mmioRead(BAR + 18, 2));
            assertEquals(one.host().portRead(UP, 4), other.host().portRead(UP, 4));
        }
    }
}
