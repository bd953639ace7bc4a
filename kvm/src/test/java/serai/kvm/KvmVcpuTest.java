package serai.kvm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import serai.machine.engine.CpuState;
import serai.machine.engine.CpuState.Activity;
import serai.machine.engine.Exit;
import serai.machine.engine.Msr;

/** Small guests on the host's KVM, however slow it is. */
@Timeout(20)
class KvmVcpuTest {
    private static final long FOR_EVER = Long.MAX_VALUE;

    @BeforeAll
    static void kvmIsPresent() {
        KvmProbe probe = KvmProbe.measure();
        assumeTrue(probe.present(), "capability: kvm (" + probe.reason() + ")");
    }

    // ---- ports and memory ----

    @Test
    void realMode_portAccessesOfEachSize() throws IOException {
        try (Guest g = new Guest().real("""
            b0 41                         ; mov al, 'A'
            e6 e9                         ; out 0xe9, al
            ba 10 05                      ; mov dx, 0x510
            ed                            ; in ax, dx
            e7 80                         ; out 0x80, ax
            66 ed                         ; in eax, dx
            66 e7 80                      ; out 0x80, eax
            f4                            ; hlt
            """)) {
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER));
            assertEquals(List.of("out e9.1=41", "in 510.2", "out 80.2=3344", "in 510.4", "out 80.4=11223344"), g.log);
            assertEquals(3, g.vcpu.stats().exits().get("port-write"));
            assertEquals(2, g.vcpu.stats().exits().get("port-read"));
        }
    }

    @Test
    void stringPortAccesses_giveEveryElement() throws IOException {
        try (Guest g = new Guest().real("""
            be 00 11                      ; mov si, 0x1100
            bf 00 12                      ; mov di, 0x1200
            ba e9 00                      ; mov dx, 0xe9
            b9 03 00                      ; mov cx, 3
            fc                            ; cld
            f3 6e                         ; rep outsb
            b9 02 00                      ; mov cx, 2
            f3 6d                         ; rep insw
            f4                            ; hlt
            """)) {
            g.memory().write(0x1100, new byte[] {1, 2, 3});
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER));
            assertEquals(List.of("out e9.1=1", "out e9.1=2", "out e9.1=3", "in e9.2", "in e9.2"), g.log);
            assertEquals(0x33443344, g.memory().readInt(0x1200));
            assertEquals(0x1204, g.vcpu.save().gpr()[7]);
        }
    }

    @Test
    void protectedMode_mmioOfEachSize() throws IOException {
        try (Guest g = new Guest().protected32("""
            bb 00 00 e0 fe                ; mov ebx, 0xfee00000
            8b 43 20                      ; mov eax, [ebx + 0x20]
            a3 00 30 00 00                ; mov [0x3000], eax
            66 8b 43 02                   ; mov ax, [ebx + 2]
            66 a3 04 30 00 00             ; mov [0x3004], ax
            c6 43 30 07                   ; mov byte [ebx + 0x30], 7
            c7 83 b0 00 00 00 78 56 34 12 ; mov dword [ebx + 0xb0], 0x12345678
            f4                            ; hlt
            """)) {
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER));
            assertEquals(
                    List.of("read fee00020.4", "read fee00002.2", "write fee00030.1=7", "write fee000b0.4=12345678"),
                    g.log);
            assertEquals(0x44332211, g.memory().readInt(0x3000));
            assertEquals(0x4433, g.memory().readShort(0x3004));
        }
    }

    @Test
    void longMode_eightBytesAndAcrossAPage() throws IOException {
        try (Guest g = new Guest().long64("""
            bb 00 00 e0 fe                ; mov ebx, 0xfee00000
            48 8b 43 08                   ; mov rax, [rbx + 8]
            48 89 04 25 00 30 00 00       ; mov [0x3000], rax
            48 b9 ef cd ab 89 67 45 23 01 ; mov rcx, 0x0123456789abcdef
            48 89 4b 10                   ; mov [rbx + 16], rcx
            48 89 8b fd 0f 00 00          ; mov [rbx + 0xffd], rcx
            f4                            ; hlt
            """)) {
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER));
            assertEquals(0x8877665544332211L, g.memory().readLong(0x3000));
            assertEquals("read fee00008.8", g.log.get(0));
            assertEquals("write fee00010.8=123456789abcdef", g.log.get(1));
            // 3 bytes and 5 bytes, in parts that the bus knows
            assertEquals(
                    List.of(
                            "write fee00ffd.2=cdef",
                            "write fee00fff.1=ab",
                            "write fee01000.4=23456789",
                            "write fee01004.1=1"),
                    g.log.subList(2, g.log.size()));
        }
    }

    @Test
    void rom_isReadDirectlyAndItsStoresGoToTheBus() throws IOException {
        try (Guest g = new Guest().protected32("""
            a1 10 00 0f 00                ; mov eax, [0xf0010]
            a3 00 30 00 00                ; mov [0x3000], eax
            c7 05 20 00 0f 00 01 00 00 00 ; mov dword [0xf0020], 1
            a1 20 00 0f 00                ; mov eax, [0xf0020]
            a3 04 30 00 00                ; mov [0x3004], eax
            f4                            ; hlt
            """)) {
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER));
            assertEquals(List.of("write f0020.4=1"), g.log);
            assertEquals(0x5a5a5a5a, g.memory().readInt(0x3000));
            assertEquals(0x5a5a5a5a, g.memory().readInt(0x3004));
        }
    }

    // ---- interrupts ----

    /** Goes back without IRET, which an emulated ring 0 (facts of the project) lacks. */
    private static final String COUNT_INTERRUPTS = """
            ff 05 00 30 00 00             ; inc dword [0x3000]
            e6 20                         ; out 0x20, al
            5b                            ; pop ebx
            59                            ; pop ecx
            9d                            ; popfd
            ff e3                         ; jmp ebx
            """;

    @Test
    void interrupt_isDeliveredWhenTheGuestOpensItsWindow() throws IOException {
        try (Guest g = new Guest().load(0x2200, COUNT_INTERRUPTS).protected32("""
            e6 80                         ; out 0x80, al
            90                            ; nop
            a1 00 30 00 00                ; mov eax, [0x3000]
            a3 10 30 00 00                ; mov [0x3010], eax
            fb                            ; sti
            90                            ; nop
            81 3d 00 30 00 00 01 00 00 00 ; again: cmp dword [0x3000], 1
            75 f4                         ; jne again
            fa                            ; cli
            f4                            ; hlt
            """)) {
            g.out = (port, value) -> {
                if (port == 0x80) {
                    g.interrupts.raise(0x20);
                }
            };
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER), g.vcpu.failure());
            assertEquals(0, g.memory().readInt(0x3010)); // not while IF was clear
            assertEquals(1, g.memory().readInt(0x3000));
            assertEquals(List.of("out 80.1=0", "out 20.1=0"), g.log);
            assertEquals(1, g.vcpu.stats().exits().get("interrupt"));
        }
    }

    @Test
    void hlt_waitsForAnInterruptAndGoesOnAfterIt() throws IOException {
        try (Guest g = new Guest().load(0x2200, COUNT_INTERRUPTS).protected32("""
            fb                            ; sti
            f4                            ; hlt
            a1 00 30 00 00                ; mov eax, [0x3000]
            e7 80                         ; out 0x80, eax
            fa                            ; cli
            f4                            ; hlt
            """)) {
            assertEquals(Exit.HALTED, g.vcpu.run(FOR_EVER));
            assertEquals(Activity.HALTED, g.vcpu.save().events().activity());
            assertEquals(Exit.HALTED, g.vcpu.run(FOR_EVER));
            g.interrupts.raise(0x20);
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER));
            assertEquals(List.of("out 20.1=0", "out 80.4=1"), g.log);
        }
    }

    @Test
    void taskPriority_goesToTheInterruptControllerAndHoldsInterruptsBack() throws IOException {
        // the gate of vector 0x20 in long mode: 16 bytes at 0x800 + 0x200
        try (Guest g = new Guest().load(0x2200, """
            ff 04 25 00 30 00 00          ; inc dword [0x3000]
            5b                            ; pop rbx
            59                            ; pop rcx
            9d                            ; popfq
            5c                            ; pop rsp
            ff e3                         ; jmp rbx
            """).long64("""
            b8 05 00 00 00                ; mov eax, 5
            44 0f 22 c0                   ; mov cr8, rax
            fb                            ; sti
            e6 80                         ; out 0x80, al
            90                            ; nop
            90                            ; nop
            8b 04 25 00 30 00 00          ; mov eax, [0x3000]
            e7 81                         ; out 0x81, eax
            31 c0                         ; xor eax, eax
            44 0f 22 c0                   ; mov cr8, rax
            e6 82                         ; out 0x82, al
            90                            ; nop
            90                            ; nop
            8b 04 25 00 30 00 00          ; mov eax, [0x3000]
            e7 81                         ; out 0x81, eax
            fa                            ; cli
            f4                            ; hlt
            """)) {
            longModeGate(g, 0x20, 0x2200);
            g.out = (port, value) -> {
                if (port == 0x80) {
                    assertEquals(5, g.interrupts.taskPriority());
                    g.interrupts.raise(0x20);
                }
            };
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER), g.vcpu.failure());
            assertEquals(List.of("out 80.1=5", "out 81.4=0", "out 82.1=0", "out 81.4=1"), g.log);
            assertEquals(0, g.vcpu.save().cr()[4]);
        }
    }

    private static void longModeGate(Guest g, int vector, int handler) {
        g.memory().writeLong(0x800 + 16L * vector, 0x8e00L << 32 | 8 << 16 | handler);
        g.memory().writeLong(0x808 + 16L * vector, 0);
        CpuState s = g.vcpu.save();
        g.vcpu.restore(new CpuState(
                s.version(),
                s.gpr(),
                s.rip(),
                s.rflags(),
                s.segments(),
                s.gdtBase(),
                s.gdtLimit(),
                0x800,
                0x7ff,
                s.cr(),
                s.dr(),
                s.xcr0(),
                s.xsave(),
                s.msrs(),
                s.tscOffset(),
                s.apic(),
                s.events(),
                s.smbase(),
                0));
    }

    @Test
    void nmi_isTakenWithInterruptsOff() throws IOException {
        try (Guest g = new Guest().load(0x2020, """
            ff 05 00 30 00 00             ; inc dword [0x3000]
            5b                            ; pop ebx
            59                            ; pop ecx
            9d                            ; popfd
            ff e3                         ; jmp ebx
            """).protected32("""
            f4                            ; hlt
            a1 00 30 00 00                ; mov eax, [0x3000]
            e7 80                         ; out 0x80, eax
            f4                            ; hlt
            """)) {
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER));
            g.interrupts.raiseNmi();
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER), g.vcpu.failure());
            assertEquals(List.of("out 80.4=1"), g.log);
        }
    }

    @Test
    void interruptFromAnotherThread_reachesALoopThatNeverExits() throws Exception {
        try (Guest g = new Guest().load(0x2200, """
            f4                            ; hlt
            """).protected32("fb eb fe ; sti, jmp $")) {
            Thread device = new Thread(() -> {
                try {
                    Thread.sleep(20);
                } catch (InterruptedException e) {
                    return;
                }
                g.interrupts.raise(0x20);
            });
            device.start();
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER), g.vcpu.failure());
            assertEquals(0x2201, g.vcpu.save().rip());
            device.join();
        }
    }

    @Test
    void init_startsAtTheResetVectorAndStartupAtItsPage() throws IOException {
        try (Guest g = new Guest().protected32("f4 ; hlt")) {
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER));
            CpuState s = ResetState.init(g.vcpu.save(), 0x306c1, Activity.WAIT_FOR_SIPI);
            assertEquals(0xfff0, s.rip());
            assertEquals(0xffff0000L, s.segments()[CpuState.CS].base());
            assertEquals(0x306c1, s.gpr()[2]);
            g.vcpu.restore(s);
            assertEquals(Exit.HALTED, g.vcpu.run(FOR_EVER));
            assertEquals(Activity.WAIT_FOR_SIPI, g.vcpu.save().events().activity());
            g.load(0x3000, "e6 80 f4 ; out 0x80, al; hlt");
            g.interrupts.startup(3);
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER), g.vcpu.failure());
            assertEquals(List.of("out 80.1=0"), g.log);
            assertEquals(0x300, g.vcpu.save().segments()[CpuState.CS].selector());

            g.interrupts.raiseInit(); // this is the bootstrap processor: it starts at once, where nothing lies here
            assertEquals(Exit.FAILED, g.vcpu.run(FOR_EVER));
        }
    }

    // ---- MSRs, CPUID, time ----

    @Test
    void machinesMsrs_reachTheMachine() throws IOException {
        try (Guest g = new Guest().load(0x20d0, """
            b0 0d                         ; mov al, 13
            e6 80                         ; out 0x80, al
            f4                            ; hlt
            """).protected32("""
            b9 1b 00 00 00                ; mov ecx, 0x1b
            0f 32                         ; rdmsr
            0d 00 04 00 00                ; or eax, 0x400
            0f 30                         ; wrmsr
            b9 e0 06 00 00                ; mov ecx, 0x6e0
            0f 32                         ; rdmsr
            """)) {
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER), g.vcpu.failure());
            assertEquals(List.of("rdmsr 1b", "wrmsr 1b=fee00d00", "rdmsr 6e0", "out 80.1=d"), g.log);
        }
    }

    @Test
    void unknownMsr_isGeneralProtection() throws IOException {
        try (Guest g = new Guest().load(0x20d0, """
            b0 0d                         ; mov al, 13
            e6 80                         ; out 0x80, al
            f4                            ; hlt
            """).protected32("""
            b9 45 23 01 00                ; mov ecx, 0x12345
            0f 32                         ; rdmsr
            """)) {
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER), g.vcpu.failure());
            assertEquals(List.of("out 80.1=d"), g.log);
        }
    }

    @Test
    void tsc_isSavedAsAnOffsetFromTheMachines() throws IOException {
        try (Guest g = new Guest().protected32("f4 ; hlt")) {
            CpuState s = g.vcpu.save();
            // within what the calls between two readings take
            if (g.capabilities().tscOffset()) {
                assertTrue(Math.abs(s.tscOffset()) < 50_000_000, "offset " + s.tscOffset());
            } else { // the host's TSC: the state says so
                assertTrue(Math.abs(s.tscOffset() - g.vcpu.save().tscOffset()) < 1_000_000_000L);
            }
        }
    }

    // ---- state ----

    private static final String SUM = """
            b9 20 4e 00 00                ; mov ecx, 20000
            31 c0                         ; xor eax, eax
            49 b8 15 7c 4a 7f b9 79 37 9e ; mov r8, 0x9e3779b97f4a7c15
            4c 01 c0                      ; round: add rax, r8
            48 c1 c0 07                   ; rol rax, 7
            48 31 c8                      ; xor rax, rcx
            89 04 8d 00 00 10 00          ; mov [0x100000 + rcx * 4], eax
            ff c9                         ; dec ecx
            75 eb                         ; jnz round
            48 89 04 25 00 30 00 00       ; mov [0x3000], rax
            e6 80                         ; out 0x80, al
            f4                            ; hlt
            """;

    @Test
    void stateSavedMidRun_goesOnInAnotherMachine() throws Exception {
        long expected;
        try (Guest g = new Guest().long64(SUM)) {
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER), g.vcpu.failure());
            expected = g.memory().readLong(0x3000);
        }
        CpuState state;
        byte[] ram;
        int moves = 0;
        int outs = 0;
        try (Guest g = new Guest().long64(SUM)) {
            g.vcpu.kick();
            assertEquals(Exit.KICKED, g.vcpu.run(FOR_EVER));
            state = g.vcpu.save();
            ram = g.ramBytes();
        }
        while (true) {
            try (Guest g = new Guest(ram)) {
                g.vcpu.restore(state);
                Thread kicker = new Thread(() -> {
                    try {
                        Thread.sleep(2);
                    } catch (InterruptedException e) {
                        return;
                    }
                    g.vcpu.kick();
                });
                kicker.start();
                Exit e = g.vcpu.run(FOR_EVER);
                kicker.join();
                if (e == Exit.HALTED_FOR_EVER) {
                    assertEquals(expected, g.memory().readLong(0x3000));
                    assertEquals(1, outs + g.log.size()); // by whichever machine the guest was in
                    break;
                }
                assertEquals(Exit.KICKED, e, g.vcpu.failure());
                state = g.vcpu.save();
                ram = g.ramBytes();
                outs += g.log.size();
                moves++;
            }
        }
        assertTrue(moves < 1000, moves + " moves"); // some dozen where ring 0 is emulated, none where it is fast
    }

    @Test
    void portReadUnderWay_isFinishedBeforeRunReturns() throws IOException {
        try (Guest g = new Guest().real("""
            e4 60                         ; in al, 0x60
            e6 80                         ; out 0x80, al
            f4                            ; hlt
            """)) {
            g.in = port -> {
                g.vcpu.kick();
                return 0x77;
            };
            assertEquals(Exit.KICKED, g.vcpu.run(FOR_EVER));
            CpuState s = g.vcpu.save();
            assertEquals(0x77, s.gpr()[0]);
            assertEquals(0x1002, s.rip());
            byte[] ram = g.ramBytes();
            try (Guest other = new Guest(ram)) {
                other.vcpu.restore(s);
                assertEquals(Exit.HALTED_FOR_EVER, other.vcpu.run(FOR_EVER));
                assertEquals(List.of("out 80.1=77"), other.log);
            }
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER));
            assertEquals(List.of("in 60.1", "out 80.1=77"), g.log);
        }
    }

    @Test
    void accessAcrossAPageUnderWay_isFinishedBeforeRunReturns() throws IOException {
        try (Guest g = new Guest().long64("""
            bb fc 0f e0 fe                ; mov ebx, 0xfee00ffc
            48 8b 03                      ; mov rax, [rbx]
            f4                            ; hlt
            """)) {
            g.vcpu.kick();
            assertEquals(Exit.KICKED, g.vcpu.run(FOR_EVER));
            Exit e = g.vcpu.run(FOR_EVER);
            assertEquals(Exit.HALTED_FOR_EVER, e, g.vcpu.failure());
            assertEquals(0x4433221188776655L, g.vcpu.save().gpr()[0]);
        }
    }

    @Test
    void everyPartOfTheState_comesBackAsItWentIn() throws IOException {
        try (Guest g = new Guest().long64("f4 ; hlt")) {
            CpuState s = g.vcpu.save();
            long[] gpr = s.gpr().clone();
            for (int i = 0; i < 16; i++) {
                gpr[i] = 0x0101010101010101L * (i + 1);
            }
            byte[] x = s.xsave().clone();
            x[0] = 0x7f; // FCW 0x027f
            x[1] = 2;
            x[24] = (byte) 0x80; // MXCSR 0x1f80
            x[25] = 0x1f;
            for (int i = 32; i < 42; i++) {
                x[i] = (byte) i; // ST0
            }
            for (int i = 160; i < 416; i++) {
                x[i] = (byte) i; // XMM
            }
            x[512] = 3;
            long[] msrs = s.msrs().clone();
            for (int i = 0; i < msrs.length; i += 2) {
                switch ((int) msrs[i]) {
                    case Msr.LSTAR, Msr.SYSENTER_EIP, Msr.KERNEL_GS_BASE -> msrs[i + 1] = 0xffffffff81000000L + i;
                    case Msr.STAR -> msrs[i + 1] = 0x23001000000000L;
                    case Msr.FMASK -> msrs[i + 1] = 0x47700;
                    default -> {}
                }
            }
            CpuState in = new CpuState(
                    s.version(),
                    gpr,
                    0x123456,
                    0x246,
                    s.segments(),
                    0x5000,
                    0x7f,
                    0x6000,
                    0xfff,
                    new long[] {s.cr()[0], 0xdeadbeefL, 0x8000, s.cr()[3], 9},
                    new long[] {0x1000, 0x2000, 0x3000, 0x4000, 0xffff0ff1L, 0x455},
                    s.xcr0(),
                    x,
                    msrs,
                    1L << 40,
                    s.apic(),
                    new CpuState.Events(
                            Activity.HALTED,
                            false,
                            0,
                            false,
                            0,
                            false,
                            0,
                            false,
                            false,
                            true,
                            false,
                            false,
                            false,
                            false),
                    s.smbase(),
                    0);
            g.vcpu.restore(in);
            CpuState out = g.vcpu.save();
            assertArrayEquals(in.gpr(), out.gpr());
            assertEquals(in.rip(), out.rip());
            assertEquals(in.rflags(), out.rflags());
            assertArrayEquals(in.segments(), out.segments());
            assertEquals(in.gdtBase(), out.gdtBase());
            assertEquals(in.gdtLimit(), out.gdtLimit());
            assertEquals(in.idtBase(), out.idtBase());
            assertEquals(in.idtLimit(), out.idtLimit());
            assertArrayEquals(in.cr(), out.cr());
            assertArrayEquals(in.dr(), out.dr());
            assertEquals(in.xcr0(), out.xcr0());
            assertArrayEquals(in.xsave(), out.xsave());
            assertArrayEquals(in.msrs(), out.msrs());
            assertEquals(in.events(), out.events());
            assertEquals(9, g.interrupts.taskPriority());
            if (g.capabilities().tscOffset()) {
                assertTrue(Math.abs(out.tscOffset() - in.tscOffset()) < 50_000_000L, "offset " + out.tscOffset());
            }
        }
    }

    @Test
    void pendingException_isDeliveredAfterRestore() throws IOException {
        try (Guest g = new Guest().load(0x20e0, """
            58                            ; pop eax
            e7 80                         ; out 0x80, eax
            0f 20 d0                      ; mov eax, cr2
            e7 80                         ; out 0x80, eax
            f4                            ; hlt
            """).protected32("f4 ; hlt")) {
            CpuState s = g.vcpu.save();
            g.vcpu.restore(new CpuState(
                    s.version(),
                    s.gpr(),
                    s.rip(),
                    s.rflags(),
                    s.segments(),
                    s.gdtBase(),
                    s.gdtLimit(),
                    s.idtBase(),
                    s.idtLimit(),
                    new long[] {s.cr()[0], 0xabc, s.cr()[2], s.cr()[3], 0},
                    s.dr(),
                    s.xcr0(),
                    s.xsave(),
                    s.msrs(),
                    s.tscOffset(),
                    s.apic(),
                    new CpuState.Events(
                            Activity.RUNNING,
                            true,
                            14,
                            true,
                            6,
                            false,
                            0,
                            false,
                            false,
                            false,
                            false,
                            false,
                            false,
                            false),
                    s.smbase(),
                    0));
            assertTrue(g.vcpu.save().events().exceptionPending());
            assertEquals(14, g.vcpu.save().events().exceptionVector());
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER), g.vcpu.failure());
            assertEquals(List.of("out 80.4=6", "out 80.4=abc"), g.log);
        }
    }

    @Test
    void stateOfAnotherVersion_isRefused() throws IOException {
        try (Guest g = new Guest()) {
            CpuState s = g.vcpu.save();
            CpuState other = new CpuState(
                    99,
                    s.gpr(),
                    s.rip(),
                    s.rflags(),
                    s.segments(),
                    0,
                    0,
                    0,
                    0,
                    s.cr(),
                    s.dr(),
                    1,
                    s.xsave(),
                    s.msrs(),
                    0,
                    s.apic(),
                    s.events(),
                    0,
                    0);
            assertThrows(IllegalArgumentException.class, () -> g.vcpu.restore(other));
        }
    }

    @Test
    void afterCreation_theCpuIsReset() throws IOException {
        try (Guest g = new Guest()) {
            CpuState s = g.vcpu.save();
            assertEquals(0xfff0, s.rip());
            assertEquals(2, s.rflags());
            assertEquals(0xffff0000L, s.segments()[CpuState.CS].base());
            assertEquals(0x306c1, s.gpr()[2]);
            assertEquals(0x60000010, s.cr()[0]);
            assertEquals(CpuState.XSAVE_SIZE, s.xsave().length);
            assertEquals(0x7f, s.xsave()[0]);
            assertEquals(3, s.xsave()[1]);
            assertEquals(Activity.RUNNING, s.events().activity());
        }
    }

    // ---- the ends of a guest ----

    @Test
    void tripleFault_isShutdown() throws IOException {
        try (Guest g = new Guest().protected32("""
            0f 01 1d 00 11 00 00          ; lidt [0x1100]
            0f 0b                         ; ud2
            """)) {
            assertEquals(Exit.SHUTDOWN, g.vcpu.run(FOR_EVER), g.vcpu.failure());
            assertEquals(Exit.SHUTDOWN, g.vcpu.run(FOR_EVER));
            assertEquals(Activity.SHUTDOWN, g.vcpu.save().events().activity());
        }
    }

    @Test
    void codeOutsideMemory_isAFailureWithASentence() throws IOException {
        try (Guest g = new Guest().protected32("""
            b8 00 00 00 d0                ; mov eax, 0xd0000000
            ff e0                         ; jmp eax
            """)) {
            Exit e = g.vcpu.run(FOR_EVER);
            assertTrue(e == Exit.FAILED || e == Exit.SHUTDOWN, e.toString());
            assertEquals(e == Exit.FAILED, g.vcpu.failure().contains("rip 0xd0000000"), g.vcpu.failure());
            assertEquals(e, g.vcpu.run(FOR_EVER));
        }
    }

    // ---- kicks ----

    @Test
    void kick_endsALoopThatNeverExits() throws Exception {
        try (Guest g = new Guest().protected32("eb fe ; jmp $")) {
            Thread kicker = new Thread(() -> {
                try {
                    Thread.sleep(20);
                } catch (InterruptedException e) {
                    return;
                }
                g.vcpu.kick();
            });
            kicker.start();
            assertEquals(Exit.KICKED, g.vcpu.run(FOR_EVER));
            kicker.join();
            assertEquals(Guest.CODE, g.vcpu.save().rip());
        }
    }

    @Test
    void kickBeforeRun_endsTheNextOne() throws IOException {
        try (Guest g = new Guest().protected32("eb fe ; jmp $")) {
            g.vcpu.kick();
            g.vcpu.kick();
            assertEquals(Exit.KICKED, g.vcpu.run(FOR_EVER));
        }
    }

    /** Two threads meet at a barrier, then one kicks while the other enters: a lost kick would hang the test. */
    @Test
    void kick_isNeverLost() throws Exception {
        int rounds = 500;
        CyclicBarrier barrier = new CyclicBarrier(2);
        try (Guest g = new Guest().protected32("eb fe ; jmp $")) {
            Thread kicker = new Thread(() -> {
                try {
                    for (int i = 0; i < rounds; i++) {
                        barrier.await();
                        for (int spin = 0; spin < i * 20; spin++) {
                            Thread.onSpinWait();
                        }
                        g.vcpu.kick();
                    }
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            });
            kicker.start();
            for (int i = 0; i < rounds; i++) {
                barrier.await();
                assertEquals(Exit.KICKED, g.vcpu.run(FOR_EVER));
            }
            kicker.join();
        }
    }

    @Test
    void kickAfterClose_isHarmless() throws IOException {
        Guest g = new Guest();
        g.close();
        g.vcpu.kick();
        g.vcpu.close();
        assertFalse(g.vcpu.countsInstructions());
    }

    // ---- debugger ----

    private static final String STRAIGHT = """
            b8 01 00 00 00                ; mov eax, 1
            40                            ; inc eax
            e6 80                         ; out 0x80, al
            40                            ; inc eax
            f4                            ; hlt
            """;

    @Test
    void budgetOfOne_isASingleStep() throws IOException {
        try (Guest g = new Guest().protected32(STRAIGHT)) {
            for (long rip : new long[] {0x1005, 0x1006, 0x1008, 0x1009}) {
                assertEquals(Exit.BUDGET, g.vcpu.run(1), g.vcpu.failure());
                assertEquals(rip, g.vcpu.save().rip());
            }
            assertEquals(Exit.BUDGET, g.vcpu.run(0));
            assertEquals(List.of("out 80.1=2"), g.log);
        }
    }

    @Test
    void breakpoint_stopsBeforeItsInstructionUntilItIsPassed() throws IOException {
        try (Guest g = new Guest().protected32(STRAIGHT)) {
            g.vcpu.breakpoints(new long[] {0x1006, 0x1008});
            assertEquals(Exit.BREAKPOINT, g.vcpu.run(FOR_EVER), g.vcpu.failure());
            assertEquals(0x1006, g.vcpu.save().rip());
            assertEquals(List.of(), g.log);
            assertEquals(Exit.BREAKPOINT, g.vcpu.run(FOR_EVER));
            assertEquals(0x1006, g.vcpu.save().rip());
            g.vcpu.passBreakpoint();
            assertEquals(Exit.BREAKPOINT, g.vcpu.run(FOR_EVER));
            assertEquals(0x1008, g.vcpu.save().rip());
            assertEquals(List.of("out 80.1=2"), g.log);
            g.vcpu.breakpoints(new long[0]);
            assertEquals(Exit.HALTED_FOR_EVER, g.vcpu.run(FOR_EVER));
            assertThrows(IllegalArgumentException.class, () -> g.vcpu.breakpoints(new long[5]));
        }
    }

    @Test
    void translate_walksTheGuestsTables() throws IOException {
        try (Guest g = new Guest().long64("f4 ; hlt")) {
            assertEquals(0x1000, g.vcpu.translate(0x1000));
            assertEquals(0xfee00123L, g.vcpu.translate(0xfee00123L));
            assertEquals(-1, g.vcpu.translate(0x400000));
            assertEquals(-1, g.vcpu.translate(0x8000_0000_0000L));
            g.protected32("f4 ; hlt");
            assertEquals(0xd0000000L, g.vcpu.translate(0xd0000000L));
        }
    }
}
