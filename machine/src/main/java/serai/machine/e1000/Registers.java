package serai.machine.e1000;

/** Offsets of the registers that somebody here looks at (SDM, chapter 13), and their bits. */
final class Registers {
    static final int CTRL = 0, CTRL_ALIAS = 4, STATUS = 8, EECD = 0x10, EERD = 0x14, MDIC = 0x20, VET = 0x38;
    static final int ICR = 0xc0, ITR = 0xc4, ICS = 0xc8, IMS = 0xd0, IMC = 0xd8;
    static final int RCTL = 0x100, TCTL = 0x400;
    static final int RDBAL = 0x2800, RDBAH = 0x2804, RDLEN = 0x2808, RDH = 0x2810, RDT = 0x2818;
    static final int TDBAL = 0x3800, TDBAH = 0x3804, TDLEN = 0x3808, TDH = 0x3810, TDT = 0x3818;
    static final int STATISTICS = 0x4000, STATISTICS_END = 0x4128;
    static final int RXCSUM = 0x5000, MTA = 0x5200, RAL = 0x5400, RAH = 0x5404, RA_END = 0x5480, VFTA = 0x5600;
    static final int VFTA_END = 0x5800, WUS = 0x5810;
    /** All of the above are below. */
    static final int END = 0x6000;

    // CTRL
    static final int CTRL_RESET = 1 << 26, CTRL_VLAN_MODE = 1 << 30, CTRL_PHY_RESET = 1 << 31;
    /** Full duplex, 1000 Mbit/s. */
    static final int CTRL_INITIAL = 1 | 1 << 9;

    // STATUS
    /** Full duplex, 1000 Mbit/s, detected so. */
    static final int STATUS_FIXED = 1 | 2 << 6 | 2 << 8;

    static final int STATUS_LINK = 2;

    // interrupt causes
    static final int TXDW = 1, TXQE = 1 << 1, LSC = 1 << 2, RXDMT0 = 1 << 4, RXT0 = 1 << 7, MDAC = 1 << 9;
    /** Those that there are. */
    static final int CAUSES = 0x1f6df;

    // RCTL
    static final int RCTL_ENABLE = 1 << 1, RCTL_UNICAST = 1 << 3, RCTL_MULTICAST = 1 << 4, RCTL_LONG = 1 << 5;
    static final int RCTL_BROADCAST = 1 << 15, RCTL_VLAN_FILTER = 1 << 18, RCTL_LARGE = 1 << 25, RCTL_STRIP = 1 << 26;

    // TCTL
    static final int TCTL_ENABLE = 1 << 1, TCTL_PAD = 1 << 3;

    // RXCSUM
    static final int RXCSUM_IP = 1 << 8, RXCSUM_TRANSPORT = 1 << 9, RXCSUM_IPV6 = 1 << 10;

    private Registers() {}
}
