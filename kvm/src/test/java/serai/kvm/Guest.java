package serai.kvm;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.function.IntUnaryOperator;
import serai.linux.SharedMapping;
import serai.machine.engine.CpuModel;
import serai.machine.engine.CpuState;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.InterruptSource;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/**
 * A machine for tests: 4 MiB of RAM, a page of ROM at 0xf0000, everything else the record of what the guest did. Code is
 * hex with its assembler source behind a semicolon.
 */
final class Guest implements VcpuHost, AutoCloseable {
    static final int CODE = 0x1000;
    static final long ROM = 0xf0000;
    private static final int DATA_RW = Segment.P | Segment.S | 3;
    private static final int CODE_RX = Segment.P | Segment.S | 11;

    final List<String> log = new ArrayList<>();
    final FakeInterrupts interrupts = new FakeInterrupts();
    final Map<Integer, Long> msrs = new TreeMap<>(Map.of(Msr.APIC_BASE, 0xfee00900L));
    private final SharedMapping ram;
    private final SharedMapping rom;
    private final GuestMemory memory;
    private final KvmEngine engine;
    final KvmVcpu vcpu;
    IntUnaryOperator in = port -> 0x11223344;
    BiConsumer<Integer, Integer> out = (port, value) -> {};

    Guest() throws IOException {
        this(new byte[0]);
    }

    Guest(byte[] ramBytes) throws IOException {
        ram = SharedMapping.create("test-ram", 4 << 20);
        rom = SharedMapping.create("test-rom", 4096);
        memory = new GuestMemory(List.of(
                new RamRegion(0, ROM, ram.address(), false, ram.fd(), 0),
                new RamRegion(ROM, 4096, rom.address(), true, rom.fd(), 0),
                new RamRegion(0x100000, 3 << 20, ram.address() + 0x100000, false, ram.fd(), 0x100000)));
        rom.segment().fill((byte) 0x5a);
        memory.write(0, ramBytes, 0, (int) Math.min(ROM, ramBytes.length));
        if (ramBytes.length > 0x100000) {
            memory.write(0x100000, ramBytes, 0x100000, ramBytes.length - 0x100000);
        }
        engine = KvmEngine.open();
        vcpu = engine.createVcpu(this);
    }

    KvmCapabilities capabilities() {
        return engine.capabilities();
    }

    byte[] ramBytes() {
        byte[] b = new byte[4 << 20];
        memory.read(0, b, 0, (int) ROM);
        memory.read(0x100000, b, 0x100000, 3 << 20);
        return b;
    }

    static byte[] bytes(String code) {
        StringBuilder hex = new StringBuilder();
        code.lines().forEach(l -> hex.append(l, 0, l.indexOf(';') < 0 ? l.length() : l.indexOf(';')));
        return HexFormat.of().parseHex(hex.toString().replaceAll("\\s", ""));
    }

    Guest load(int at, String code) {
        memory.write(at, bytes(code));
        return this;
    }

    // ---- starting states ----

    /** Real mode, segments 0, stack below 0x1000. */
    Guest real(String code) {
        load(CODE, code);
        Segment data = new Segment(0, 0, 0xffff, DATA_RW);
        start(data, new Segment(0, 0, 0xffff, CODE_RX), 0x10, 0, 0, 0);
        return this;
    }

    /** Flat 32-bit protected mode without paging; interrupt gates to {@code 0x2000 + 16 × vector} for 256 vectors. */
    Guest protected32(String code) {
        load(CODE, code);
        memory.writeLong(0x408, 0x00cf9b000000ffffL);
        memory.writeLong(0x410, 0x00cf93000000ffffL);
        for (int v = 0; v < 256; v++) {
            int handler = 0x2000 + 16 * v;
            memory.writeLong(
                    0x800 + 8L * v, (long) (handler >>> 16) << 48 | 0x8e00L << 32 | 8 << 16 | handler & 0xffff);
        }
        Segment data = new Segment(0x10, 0, -1, DATA_RW | Segment.DB | Segment.G);
        start(data, new Segment(8, 0, -1, CODE_RX | Segment.DB | Segment.G), 0x11, 0, 0, 0);
        return this;
    }

    /** 64-bit mode, the first 4 MiB and the pages of the APIC mapped one to one. */
    Guest long64(String code) {
        load(CODE, code);
        memory.writeLong(0x408, 0x00af9b000000ffffL);
        memory.writeLong(0x410, 0x00cf93000000ffffL);
        memory.writeLong(0x8000, 0x9003);
        memory.writeLong(0x9000, 0xa003);
        memory.writeLong(0x9000 + 8 * 3, 0xb003);
        memory.writeLong(0xa000, 0x83);
        memory.writeLong(0xa008, 0x200083);
        memory.writeLong(0xb000 + 8 * 0x1f7, 0xfee00083L);
        Segment data = new Segment(0x10, 0, -1, DATA_RW | Segment.DB | Segment.G);
        start(data, new Segment(8, 0, -1, CODE_RX | Segment.L | Segment.G), 0x80000011L, 0x8000, 0x620, 0x500);
        return this;
    }

    private void start(Segment data, Segment code, long cr0, long cr3, long cr4, long efer) {
        CpuState s = vcpu.save();
        Segment[] segments = {data, code, data, data, data, data, s.segments()[6], new Segment(0x18, 0, 0x67, 0x8b)};
        long[] gpr = new long[16];
        gpr[4] = 0x800;
        long[] msrs = s.msrs().clone();
        for (int i = 0; i < msrs.length; i += 2) {
            msrs[i + 1] = (int) msrs[i] == Msr.EFER ? efer : msrs[i + 1];
        }
        vcpu.restore(new CpuState(
                CpuState.VERSION,
                gpr,
                CODE,
                2,
                segments,
                0x400,
                0x1f,
                cr0 == 0x10 ? 0 : 0x800,
                cr0 == 0x10 ? 0x3ff : 0x7ff,
                new long[] {cr0, 0, cr3, cr4, 0},
                s.dr(),
                s.xcr0(),
                s.xsave(),
                msrs,
                s.tscOffset(),
                s.apic(),
                CpuState.Events.NONE,
                s.smbase(),
                0));
    }

    // ---- the host ----

    @Override
    public int index() {
        return 0;
    }

    @Override
    public GuestMemory memory() {
        return memory;
    }

    @Override
    public int portRead(int port, int size) {
        log.add("in %x.%d".formatted(port, size));
        return in.applyAsInt(port);
    }

    @Override
    public void portWrite(int port, int size, int value) {
        log.add("out %x.%d=%x".formatted(port, size, value));
        out.accept(port, value);
    }

    @Override
    public long mmioRead(long physical, int size) {
        log.add("read %x.%d".formatted(physical, size));
        return 0x8877665544332211L >>> 8 * (physical & 7);
    }

    @Override
    public void mmioWrite(long physical, int size, long value) {
        log.add("write %x.%d=%x".formatted(physical, size, value));
    }

    @Override
    public InterruptSource interrupts() {
        return interrupts;
    }

    @Override
    public long tsc() {
        return System.nanoTime();
    }

    @Override
    public CpuModel model() {
        return new FakeModel();
    }

    @Override
    public long readMsr(int index) throws GeneralProtection {
        log.add("rdmsr %x".formatted(index));
        Long v = msrs.get(index);
        if (v == null) {
            throw GeneralProtection.FAULT;
        }
        return v;
    }

    @Override
    public void writeMsr(int index, long value) throws GeneralProtection {
        log.add("wrmsr %x=%x".formatted(index, value));
        if (!msrs.containsKey(index)) {
            throw GeneralProtection.FAULT;
        }
        msrs.put(index, value);
    }

    @Override
    public long random() {
        return 4;
    }

    @Override
    public void close() {
        engine.close();
        ram.close();
        rom.close();
    }
}
