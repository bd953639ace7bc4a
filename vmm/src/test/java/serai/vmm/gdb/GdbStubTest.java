package serai.vmm.gdb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import serai.machine.Schedule;
import serai.machine.engine.CpuState;
import serai.machine.engine.Exit;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuStats;
import serai.machine.engine.Watchpoint;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/** The stub by itself, with whatever a client may send. */
final class GdbStubTest {
    /** A vCPU that only has a state, and whose memory is physical. */
    private static final class StillCpu implements Vcpu {
        CpuState state = RegistersTest.state(7);
        List<Long> breakpoints = List.of();
        List<Watchpoint> watchpoints = List.of();

        @Override
        public Exit run(long maxInstructions) {
            return Exit.BUDGET;
        }

        @Override
        public void kick() {}

        @Override
        public boolean countsInstructions() {
            return true;
        }

        @Override
        public long instructions() {
            return 0;
        }

        @Override
        public CpuState save() {
            return state;
        }

        @Override
        public void restore(CpuState s) {
            state = s;
        }

        @Override
        public void breakpoints(long[] linearAddresses) {
            if (linearAddresses.length > 4) {
                throw new IllegalArgumentException("4 breakpoints are all");
            }
            breakpoints = java.util.Arrays.stream(linearAddresses).boxed().toList();
        }

        @Override
        public void passBreakpoint() {}

        @Override
        public void watchpoints(List<Watchpoint> list) {
            watchpoints = List.copyOf(list);
        }

        @Override
        public @Nullable Watchpoint watchpointHit() {
            return null;
        }

        @Override
        public long translate(long linear) {
            return linear >= 0 && linear < 1 << 20 ? linear : -1;
        }

        @Override
        public String failure() {
            return "";
        }

        @Override
        public VcpuStats stats() {
            return new VcpuStats(0, Map.of(), 0);
        }

        @Override
        public void close() {}
    }

    private static final class TwoCpus implements Target {
        final List<StillCpu> cpus = List.of(new StillCpu(), new StillCpu());
        final java.util.Set<Integer> absent = new java.util.HashSet<>();
        final GuestMemory memory = new GuestMemory(List.of(
                new RamRegion(0, 1 << 16, Arena.global().allocate(1 << 16, 4096).address(), false, -1, 0)));

        @Override
        public int cpus() {
            return 2;
        }

        @Override
        public boolean present(int index) {
            return !absent.contains(index);
        }

        @Override
        public Vcpu vcpu(int index) {
            return cpus.get(index);
        }

        @Override
        public GuestMemory memory() {
            return memory;
        }

        @Override
        public boolean reversible() {
            return true;
        }

        @Override
        public void changing() {}

        @Override
        public @Nullable String monitor(String command) {
            return command.equals("long") ? "x".repeat(20_000) : null;
        }
    }

    private final TwoCpus target = new TwoCpus();

    /** Sends the packets and hangs up; what the machine was told to do, in order, and what the client was sent. */
    private List<Resume> converse(StringBuilder answers, List<String> packets) throws Exception {
        try (GdbStub stub = GdbStub.listen(0)) {
            Thread client = Thread.ofPlatform().start(() -> {
                try (Socket s = new Socket(InetAddress.getLoopbackAddress(), stub.port())) {
                    Thread reader = Thread.ofPlatform().start(() -> {
                        try {
                            answers.append(new String(s.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1));
                        } catch (IOException e) {
                            answers.append("[").append(e.getMessage()).append("]");
                        }
                    });
                    for (String p : packets) {
                        s.getOutputStream().write(framed(p).getBytes(StandardCharsets.ISO_8859_1));
                    }
                    s.shutdownOutput();
                    reader.join();
                } catch (IOException | InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            });
            stub.awaitDebugger();
            List<Resume> wanted = new ArrayList<>();
            Resume r;
            do {
                r = stub.stopped(target, Stop.signal(1, Stop.SIGTRAP));
                wanted.add(r);
            } while (!(r instanceof Resume.Detached) && !(r instanceof Resume.Kill));
            stub.close();
            client.join();
            return wanted;
        }
    }

    private static String framed(String data) {
        int sum = 0;
        for (int i = 0; i < data.length(); i++) {
            sum += data.charAt(i);
        }
        return "$" + data + "#%02x".formatted(sum & 0xff);
    }

    private String answer(String... packets) throws Exception {
        StringBuilder b = new StringBuilder();
        converse(b, List.of(packets));
        return b.toString();
    }

    @Test
    void vContSaysForEachVcpuWhatItDoes() throws Exception {
        List<Resume> r = converse(
                new StringBuilder(),
                List.of("vCont;s:1;c", "vCont;c:2", "vCont;s:2", "vCont;c", "vCont;c:-1", "s", "bs", "bc"));
        assertEquals(new Resume.Forward(new Schedule(0, 0)), r.get(0));
        assertEquals(new Resume.Forward(new Schedule(1, -1)), r.get(1));
        assertEquals(new Resume.Forward(new Schedule(1, 1)), r.get(2));
        assertEquals(new Resume.Forward(Schedule.ALL), r.get(3));
        assertEquals(new Resume.Forward(Schedule.ALL), r.get(4));
        assertEquals(new Resume.Forward(new Schedule(0, 1)), r.get(5)); // the vCPU that stopped
        assertEquals(new Resume.StepBack(1), r.get(6));
        assertEquals(new Resume.RunBack(1), r.get(7));
        assertInstanceOf(Resume.Detached.class, r.getLast());
    }

    @Test
    void aVcpuThatIsNotInTheMachine_isNoThread() throws Exception {
        assertTrue(answer("qfThreadInfo").contains("$m01,02#"));
        target.absent.add(0);
        String a = answer("qfThreadInfo", "T1", "Hg1", "T2", "vCont;s:1", "vCont;c:1");
        assertTrue(a.contains("$m02#"), a);
        assertEquals(4, a.split("\\$E22#", -1).length - 1, a);
        List<Resume> r = converse(new StringBuilder(), List.of("vCont;s", "vCont;c:2"));
        assertEquals(new Resume.Forward(new Schedule(0, 1)), r.get(0));
        assertEquals(new Resume.Forward(new Schedule(1, -1)), r.get(1));
    }

    @Test
    void aBreakpointThatTheEngineRefusesIsNotSet() throws Exception {
        String a =
                answer("Z1,1,1", "Z1,2,1", "Z1,3,1", "Z0,4,1", "Z1,5,1", "z1,5,1", "Z2,10,8", "vCont;x", "vCont;c:3");
        assertTrue(a.contains("$E.4 breakpoints are all#"), a);
        assertEquals(List.of(), target.cpus.get(0).breakpoints); // taken away when the client left
        assertEquals(List.of(), target.cpus.get(1).watchpoints);
        assertEquals(2, a.split("\\$E22#", -1).length - 1, a);
    }

    @Test
    void longAnswersOfMonitorCommandsComeInPieces() throws Exception {
        String a = answer("qRcmd," + HexFormat.of().formatHex("long".getBytes(StandardCharsets.UTF_8)));
        for (String packet : a.split("\\$")) {
            assertTrue(packet.length() <= Packets.MAX + 4, () -> "a packet of " + packet.length());
        }
        assertEquals(20_000, a.split("78", -1).length - 1);
    }

    @Test
    void whateverAClientSends_isAnsweredOrRefused() throws Exception {
        long seed = 20261125;
        Random random = new Random(seed);
        String[] beginnings = {
            "m",
            "M",
            "X",
            "g",
            "G",
            "p",
            "P",
            "Z0,",
            "Z2,",
            "z3,",
            "Z4,",
            "H",
            "Hg",
            "Hc",
            "T",
            "vCont;",
            "vCont;s:",
            "vCont",
            "q",
            "qRcmd,",
            "qXfer:features:read:target.xml:",
            "qThreadExtraInfo,",
            "qSupported:",
            "Qqemu.PhyMemMode:",
            "b",
            "c",
            "s",
            "C",
            "S",
            "?",
            "v",
            "Q",
            "!",
            ""
        };
        String alphabet = "0123456789abcdef,;:=-+.*}\u0080\u00ff";
        List<String> packets = new ArrayList<>();
        for (int i = 0; i < 20_000; i++) {
            StringBuilder b = new StringBuilder(beginnings[random.nextInt(beginnings.length)]);
            int n = random.nextInt(24);
            for (int j = 0; j < n; j++) {
                b.append(alphabet.charAt(random.nextInt(alphabet.length())));
            }
            if (b.indexOf("}d") != 0) { // an escaped D: the end of the conversation
                packets.add(b.toString());
            }
        }
        packets.add("m" + "0".repeat(40_000)); // longer than a packet may be
        StringBuilder answers = new StringBuilder();
        List<Resume> r = converse(answers, packets);
        assertTrue(r.size() > 1_000, () -> "seed " + seed + ": " + r.size());
        assertTrue(answers.length() > 20_000, () -> "seed " + seed + ": " + answers);
    }
}
