package serai.machine.e1000;

/**
 * The Microwire EEPROM of 64 words (SDM, chapter 5): read by EERD, or bit by bit by EECD as the chip's pins. Nobody writes to it.
 *
 * <pre>
 * EECD   0 clock | 1 chip select | 2 data in | 3 data out | 6 request | 7 granted | 8 present
 * words  0 to 2 MAC address | a, f control words | b, c subsystem | d, e device and vendor | 3f checksum
 * </pre>
 */
final class Eeprom {
    private static final int CLOCK = 1, SELECT = 2, IN = 4, OUT = 8, REQUEST = 0x40, GRANT = 0x80, PRESENT = 0x100;
    private static final int WORDS = 64, ADDRESS_BITS = 6, COMMAND_BITS = ADDRESS_BITS + 3, READ = 6;
    private static final int CHECKSUM = 0xbaba;
    /** The words are valid (01 in bits 15 and 14); identity is taken from them. */
    private static final int CONTROL_1 = 0x4003;

    private final int[] words = new int[WORDS];
    /** What software drives, as written. */
    private int pins;
    /** Bits of a command that have come in, from its start bit on. */
    private int command;
    /** Bits that have gone out, the one before the data counted; -1 while there is no command to read. */
    private int out = -1;

    Eeprom(byte[] mac, int vendor, int device, int subVendor, int subDevice) {
        for (int i = 0; i < 3; i++) {
            words[i] = mac[2 * i] & 0xff | (mac[2 * i + 1] & 0xff) << 8;
        }
        words[0xa] = CONTROL_1;
        words[0xb] = subDevice;
        words[0xc] = subVendor;
        words[0xd] = device;
        words[0xe] = vendor;
        int sum = 0;
        for (int w : words) {
            sum += w;
        }
        words[WORDS - 1] = CHECKSUM - sum & 0xffff;
    }

    /** By EERD: start (0), done (4), address (8 to 15), data (16 to 31). */
    int eerd(int written) {
        if ((written & 1) == 0) {
            return written & 0xff00;
        }
        int address = written >>> 8 & 0xff;
        return (address < WORDS ? words[address] << 16 : 0) | address << 8 | 1 << 4;
    }

    int pins() {
        return pins | PRESENT | ((pins & REQUEST) != 0 ? GRANT : 0) | (dataOut() ? OUT : 0);
    }

    private boolean dataOut() {
        if (out <= 0) {
            return out < 0; // ready, or the zero before the data
        }
        int word = command + (out - 1) / 16 & WORDS - 1;
        return (words[word] >>> 15 - (out - 1) % 16 & 1) != 0;
    }

    void pins(int v) {
        boolean rises = (v & ~pins & CLOCK) != 0;
        pins = v & (CLOCK | SELECT | IN | REQUEST | 0x30);
        if ((v & SELECT) == 0) {
            command = 0;
            out = -1;
        } else if (rises && out >= 0) {
            out = out < WORDS * 16 ? out + 1 : 1;
        } else if (rises) {
            // zeros before the start bit do not count
            command = command << 1 | (v & IN) >>> 2;
            if (command >>> COMMAND_BITS - 1 != 0) {
                out = command >>> ADDRESS_BITS == READ ? 0 : -1;
                command &= out == 0 ? WORDS - 1 : 0;
            }
        }
    }

    void reset() {
        pins = 0;
        command = 0;
        out = -1;
    }

    int[] save() {
        return new int[] {pins, command, out};
    }

    void restore(int[] s) {
        if (s.length != 3 || s[2] < -1 || s[2] > WORDS * 16 || s[1] < 0 || s[1] >= 1 << COMMAND_BITS) {
            throw new IllegalArgumentException("an EEPROM that can't be");
        }
        pins = s[0];
        command = s[1];
        out = s[2];
    }
}
