package serai.bench.lockstep;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import serai.linux.SharedMapping;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.Outcome;
import serai.machine.acpi.Numa;
import serai.machine.boot.BootSource;
import serai.machine.boot.Loader;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.CpuState;
import serai.machine.engine.Vcpu;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.time.VirtualClock;
import serai.machine.uart.SerialBackend;

/**
 * The lockstep comparison by hand; the package's page says how it works.
 *
 * <pre>
 * kernel=FILE [initrd=FILE] [append=STRING] [memory=MiB]   what to boot
 * skip=N      let Serai run N instructions alone first (default 0)
 * count=N     compare so many (default 1,000,000)
 * cpu=MODEL   QEMU's -cpu (default max)
 * fpu=true    compare SSE registers, too
 * adopt=true  report differences, take QEMU's values over and go on
 * </pre>
 *
 * The status is 0 if all was alike, 1 if there was a difference.
 */
public final class Lockstep {
    private Lockstep() {}

    /** See the class. */
    public static void main(String[] args) throws Exception {
        Map<String, String> o = new LinkedHashMap<>();
        List<String> extra = new ArrayList<>();
        for (String a : args) {
            int eq = a.indexOf('=');
            if (a.startsWith("qemu=")) {
                extra.add(a.substring(5));
            } else {
                o.put(a.substring(0, eq), a.substring(eq + 1));
            }
        }
        boolean fpu = Boolean.parseBoolean(o.getOrDefault("fpu", "false"));
        boolean same;
        WatchedEngine engine = new WatchedEngine();
        try (SharedMapping ram = SharedMapping.create("ram", Long.parseLong(o.getOrDefault("memory", "256")) << 20)) {
            GuestMemory memory =
                    new GuestMemory(List.of(new RamRegion(0, ram.size(), ram.address(), false, ram.fd(), 0)));
            SerialBackend out = b -> {
                System.err.write(b);
                System.err.flush();
            };
            Machine machine = new Machine(
                    new MachineConfig(
                            1,
                            1,
                            X86Model.v1(1),
                            new VirtualClock(1_767_225_600L, 5),
                            () -> 4,
                            out,
                            out,
                            Numa.NONE,
                            false,
                            0xf4),
                    memory,
                    engine);
            String initrd = o.get("initrd");
            long rsdp = machine.reset();
            machine.start(Loader.load(
                            memory,
                            new BootSource(
                                    Path.of(o.getOrDefault("kernel", "")),
                                    initrd == null ? null : Path.of(initrd),
                                    o.getOrDefault("append", "")),
                            rsdp)
                    .cpu());
            long skip = Long.parseLong(o.getOrDefault("skip", "0"));
            Vcpu vcpu = machine.vcpu();
            while (vcpu.instructions() < skip) {
                Outcome e = machine.run(skip);
                if (!(e instanceof Outcome.Stopped)) {
                    System.out.println("Serai ended after " + vcpu.instructions() + " instructions: " + e);
                    System.exit(1);
                }
            }
            WatchedHost host = engine.host();
            host.hold();
            while ((vcpu.save().segments()[CpuState.CS].selector() & 3) != 0) {
                vcpu.run(1); // a comparison starts in the kernel
            }
            CpuState start = vcpu.save();
            try (QemuOracle qemu = new QemuOracle(
                    start, vcpu.translate(start.rip() & ~0xfffL), memory, o.getOrDefault("cpu", "max"), fpu, extra)) {
                same = new Comparison(
                                vcpu,
                                host,
                                qemu,
                                fpu,
                                Boolean.parseBoolean(o.getOrDefault("adopt", "false")),
                                System.out)
                        .run(Long.parseLong(o.getOrDefault("count", "1000000")));
            }
        }
        System.exit(same ? 0 : 1);
    }
}
