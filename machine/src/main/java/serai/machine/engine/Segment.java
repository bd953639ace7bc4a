package serai.machine.engine;

/**
 * A segment register with its hidden part.
 *
 * @param selector the 16-bit selector
 * @param base the linear base
 * @param limit the limit in bytes, granularity applied, as an unsigned 32-bit value
 * @param attributes bits 0-3 type, 4 S, 5-6 DPL, 7 P, 8 AVL, 9 L, 10 D/B, 11 G, 12 unusable (SDM vol. 3, 3.4.5; the
 *     order of the VMCS access rights without their gap)
 */
public record Segment(int selector, long base, int limit, int attributes) {
    /** Attribute bit: the system flag S; set for code and data. */
    public static final int S = 1 << 4;
    /** Attribute bit: present. */
    public static final int P = 1 << 7;
    /** Attribute bit: 64-bit code. */
    public static final int L = 1 << 9;
    /** Attribute bit: 32-bit default size, or big. */
    public static final int DB = 1 << 10;
    /** Attribute bit: limit counted in pages. */
    public static final int G = 1 << 11;
    /** Attribute bit: loaded with a null selector. */
    public static final int UNUSABLE = 1 << 12;

    /** The type field, 0 to 15. */
    public int type() {
        return attributes & 15;
    }

    /** The descriptor privilege level. */
    public int dpl() {
        return attributes >>> 5 & 3;
    }
}
