package serai.vmm.gdb;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import serai.machine.engine.CpuState;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;

/**
 * Registers as gdb numbers them: the features org.gnu.gdb.i386.core, .sse, .avx and .segments (GDB manual, G.5.6), then
 * control registers as a feature of our own. One list feeds the target description, g, G, p and P.
 */
final class Registers {
    private enum Kind {
        GPR,
        RIP,
        EFLAGS,
        SELECTOR,
        ST,
        FPU,
        XMM,
        MXCSR,
        YMM_HIGH,
        BASE,
        CR,
        EFER
    }

    private record Register(String name, int bits, String type, Kind kind, int index, String feature) {}

    private static final String CORE = "org.gnu.gdb.i386.core";
    private static final String SSE = "org.gnu.gdb.i386.sse";
    private static final String AVX = "org.gnu.gdb.i386.avx";
    private static final String SEGMENTS = "org.gnu.gdb.i386.segments";
    private static final String SYSTEM = "org.serai.x86.system";
    /** In an XSAVE area: the components present (the first byte of them), and the upper halves of YMM0 to YMM15. */
    private static final int XSTATE_BV = 512, YMM_HIGH = 576;

    private static final int AVX_BIT = 4;
    private static final List<Register> ALL = all();

    private Registers() {}

    private static List<Register> all() {
        List<Register> r = new ArrayList<>();
        String[] gpr = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"};
        int[] gprIndex = {0, 3, 1, 2, 6, 7, 5, 4};
        for (int i = 0; i < 8; i++) {
            r.add(new Register(gpr[i], 64, i >= 6 ? "data_ptr" : "int64", Kind.GPR, gprIndex[i], CORE));
        }
        for (int i = 8; i < 16; i++) {
            r.add(new Register("r" + i, 64, "int64", Kind.GPR, i, CORE));
        }
        r.add(new Register("rip", 64, "code_ptr", Kind.RIP, 0, CORE));
        r.add(new Register("eflags", 32, "i386_eflags", Kind.EFLAGS, 0, CORE));
        String[] seg = {"cs", "ss", "ds", "es", "fs", "gs"};
        int[] segIndex = {CpuState.CS, CpuState.SS, CpuState.DS, CpuState.ES, CpuState.FS, CpuState.GS};
        for (int i = 0; i < 6; i++) {
            r.add(new Register(seg[i], 32, "int32", Kind.SELECTOR, segIndex[i], CORE));
        }
        for (int i = 0; i < 8; i++) {
            r.add(new Register("st" + i, 80, "i387_ext", Kind.ST, i, CORE));
        }
        String[] fpu = {"fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"};
        for (int i = 0; i < 8; i++) {
            r.add(new Register(fpu[i], 32, "int", Kind.FPU, i, CORE));
        }
        for (int i = 0; i < 16; i++) {
            r.add(new Register("xmm" + i, 128, "vec128", Kind.XMM, i, SSE));
        }
        r.add(new Register("mxcsr", 32, "i386_mxcsr", Kind.MXCSR, 0, SSE));
        for (int i = 0; i < 16; i++) {
            r.add(new Register("ymm" + i + "h", 128, "uint128", Kind.YMM_HIGH, i, AVX));
        }
        r.add(new Register("fs_base", 64, "int", Kind.BASE, CpuState.FS, SEGMENTS));
        r.add(new Register("gs_base", 64, "int", Kind.BASE, CpuState.GS, SEGMENTS));
        int[] cr = {0, 2, 3, 4, 8};
        for (int i = 0; i < 5; i++) {
            r.add(new Register("cr" + cr[i], 64, "int64", Kind.CR, i, SYSTEM));
        }
        r.add(new Register("efer", 64, "int64", Kind.EFER, 0, SYSTEM));
        return List.copyOf(r);
    }

    static int count() {
        return ALL.size();
    }

    /** The target description that gdb asks for by qXfer:features. */
    static String targetXml() {
        StringBuilder b = new StringBuilder("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
                + "<target><architecture>i386:x86-64</architecture>");
        String feature = "";
        for (int i = 0; i < ALL.size(); i++) {
            Register r = ALL.get(i);
            if (!r.feature.equals(feature)) {
                b.append(feature.isEmpty() ? "" : "</feature>");
                feature = r.feature;
                b.append("<feature name=\"").append(feature).append("\">");
                switch (feature) {
                    case CORE -> b.append(flags("i386_eflags", EFLAGS));
                    case SSE -> b.append(flags("i386_mxcsr", MXCSR)).append(VECTORS);
                    default -> {}
                }
            }
            b.append(
                    "<reg name=\"%s\" bitsize=\"%d\" type=\"%s\" regnum=\"%d\"/>".formatted(r.name, r.bits, r.type, i));
        }
        return b.append("</feature></target>").toString();
    }

    private static final String[] EFLAGS = {
        "CF", "", "PF", "", "AF", "", "ZF", "SF", "TF", "IF", "DF", "OF", "", "", "NT", "", "RF", "VM", "AC", "VIF",
        "VIP", "ID"
    };
    private static final String[] MXCSR = {
        "IE", "DE", "ZE", "OE", "UE", "PE", "DAZ", "IM", "DM", "ZM", "OM", "UM", "PM", "", "", "FZ"
    };
    private static final String VECTORS = "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
            + "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/><vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
            + "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/><vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
            + "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/><union id=\"vec128\">"
            + "<field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
            + "<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
            + "<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
            + "<field name=\"uint128\" type=\"uint128\"/></union>";

    private static String flags(String id, String[] names) {
        StringBuilder b = new StringBuilder("<flags id=\"" + id + "\" size=\"4\">");
        for (int i = 0; i < names.length; i++) {
            b.append("<field name=\"%s\" start=\"%d\" end=\"%d\"/>".formatted(names[i], i, i));
        }
        return b.append("</flags>").toString();
    }

    /** All registers in hexadecimal, for g. */
    static String read(CpuState s) {
        StringBuilder b = new StringBuilder();
        for (int i = 0; i < ALL.size(); i++) {
            b.append(read(s, i));
        }
        return b.toString();
    }

    /** One register in hexadecimal, for p; empty if there is none of that number. */
    static String read(CpuState s, int number) {
        if (number < 0 || number >= ALL.size()) {
            return "";
        }
        Register r = ALL.get(number);
        ByteBuffer x = ByteBuffer.wrap(s.xsave()).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer out = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
        switch (r.kind) {
            case GPR -> out.putLong(s.gpr()[r.index]);
            case RIP -> out.putLong(s.rip());
            case EFLAGS -> out.putLong(s.rflags());
            case SELECTOR -> out.putInt(s.segments()[r.index].selector());
            case ST -> out.put(s.xsave(), 32 + r.index * 16, 10);
            case FPU -> out.putInt(fpu(x, r.index));
            case XMM -> out.put(s.xsave(), 160 + r.index * 16, 16);
            case MXCSR -> out.putInt(x.getInt(24));
            case YMM_HIGH -> {
                if ((s.xsave()[XSTATE_BV] & AVX_BIT) != 0) {
                    out.put(s.xsave(), YMM_HIGH + r.index * 16, 16);
                }
            }
            case BASE -> out.putLong(s.segments()[r.index].base());
            case CR -> out.putLong(s.cr()[r.index]);
            case EFER -> out.putLong(s.msr(Msr.EFER, 0));
        }
        return HexFormat.of().formatHex(out.array(), 0, r.bits / 8);
    }

    /** fctrl, fstat, ftag, fiseg, fioff, foseg, fooff, fop out of the FXSAVE image (SDM vol. 1, 10.5.1). */
    private static int fpu(ByteBuffer x, int index) {
        return switch (index) {
            case 0 -> x.getShort(0) & 0xffff;
            case 1 -> x.getShort(2) & 0xffff;
            case 2 -> {
                int full = 0;
                for (int i = 0; i < 8; i++) {
                    full |= (x.get(4) >> i & 1) != 0 ? 0 : 3 << i * 2;
                }
                yield full;
            }
            case 3 -> x.getShort(12) & 0xffff;
            case 4 -> x.getInt(8);
            case 5 -> x.getShort(20) & 0xffff;
            case 6 -> x.getInt(16);
            default -> x.getShort(6) & 0xffff;
        };
    }

    /** The state with all registers replaced, for G; the segment registers keep their hidden parts. */
    static CpuState write(CpuState s, String hex) {
        int at = 0;
        CpuState now = s;
        for (int i = 0; i < ALL.size() && at + ALL.get(i).bits / 4 <= hex.length(); i++) {
            int length = ALL.get(i).bits / 4;
            now = write(now, i, hex.substring(at, at + length));
            at += length;
        }
        return now;
    }

    /**
     * The state with one register replaced, for P.
     *
     * @throws IllegalArgumentException if there is no such register or the value is malformed
     */
    static CpuState write(CpuState s, int number, String hex) {
        if (number < 0 || number >= ALL.size() || hex.length() != ALL.get(number).bits / 4) {
            throw new IllegalArgumentException("register " + number);
        }
        Register r = ALL.get(number);
        byte[] raw = HexFormat.of().parseHex(hex);
        byte[] wide = new byte[16];
        System.arraycopy(raw, 0, wide, 0, raw.length);
        ByteBuffer v = ByteBuffer.wrap(wide).order(ByteOrder.LITTLE_ENDIAN);
        long[] gpr = s.gpr().clone();
        long rip = s.rip();
        long rflags = s.rflags();
        Segment[] segments = s.segments().clone();
        long[] cr = s.cr().clone();
        byte[] xsave = s.xsave().clone();
        long[] msrs = s.msrs().clone();
        ByteBuffer x = ByteBuffer.wrap(xsave).order(ByteOrder.LITTLE_ENDIAN);
        switch (r.kind) {
            case GPR -> gpr[r.index] = v.getLong(0);
            case RIP -> rip = v.getLong(0);
            case EFLAGS -> rflags = v.getInt(0) & 0x3f7fd5L | 2;
            case SELECTOR -> {
                // a debugger can't load a descriptor: in G the selectors come back as they were
                Segment old = segments[r.index];
                segments[r.index] = new Segment(v.getShort(0) & 0xffff, old.base(), old.limit(), old.attributes());
            }
            case ST -> System.arraycopy(raw, 0, xsave, 32 + r.index * 16, 10);
            case FPU -> {
                switch (r.index) {
                    case 0 -> x.putShort(0, v.getShort(0));
                    case 1 -> x.putShort(2, v.getShort(0));
                    case 2 -> {
                        int tags = 0;
                        for (int i = 0; i < 8; i++) {
                            tags |= (v.getShort(0) >> i * 2 & 3) == 3 ? 0 : 1 << i;
                        }
                        x.put(4, (byte) tags);
                    }
                    default -> {}
                }
            }
            case XMM -> System.arraycopy(raw, 0, xsave, 160 + r.index * 16, 16);
            case MXCSR -> x.putInt(24, v.getInt(0) & 0xffff);
            case YMM_HIGH -> {
                // zero is what a CPU without AVX has: the component is not made present for it
                if ((v.getLong(0) | v.getLong(8)) != 0 || (xsave[XSTATE_BV] & AVX_BIT) != 0) {
                    if ((xsave[XSTATE_BV] & AVX_BIT) == 0) {
                        Arrays.fill(xsave, YMM_HIGH, YMM_HIGH + 256, (byte) 0);
                    }
                    xsave[XSTATE_BV] |= AVX_BIT;
                    System.arraycopy(raw, 0, xsave, YMM_HIGH + r.index * 16, 16);
                }
            }
            case BASE -> {
                Segment old = segments[r.index];
                segments[r.index] = new Segment(old.selector(), v.getLong(0), old.limit(), old.attributes());
            }
            case CR -> cr[r.index] = v.getLong(0);
            case EFER -> {
                for (int i = 0; i < msrs.length; i += 2) {
                    if (msrs[i] == (Msr.EFER & 0xffffffffL)) {
                        msrs[i + 1] = v.getLong(0);
                    }
                }
            }
        }
        return new CpuState(
                s.version(),
                gpr,
                rip,
                rflags,
                segments,
                s.gdtBase(),
                s.gdtLimit(),
                s.idtBase(),
                s.idtLimit(),
                cr,
                s.dr(),
                s.xcr0(),
                xsave,
                msrs,
                s.tscOffset(),
                s.apic(),
                s.events(),
                s.smbase(),
                s.instructions());
    }
}
