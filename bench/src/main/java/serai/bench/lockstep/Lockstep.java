package serai.bench.lockstep;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import serai.cpu.JavaEngine;
import serai.linux.SharedMapping;
import serai.machine.boot.BootSource;
import serai.machine.boot.Loader;
import serai.machine.engine.Exit;
import serai.machine.engine.Vcpu;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/**
 * The lockstep comparison by hand; the package's page says how it works.
 *
 * <pre>
 * kernel=FILE [initrd=FILE] [append=STRING] [memory=MiB]   what to boot
 * skip=N      let Serai run N instructions alone first (default 0)
 * count=N     compare so many (default 1,000,000)
 * cpu=MODEL   QEMU's -cpu (default qemu64)
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
        try (SharedMapping ram = SharedMapping.create("ram", Long.parseLong(o.getOrDefault("memory", "256")) << 20);
                JavaEngine engine = new JavaEngine()) {
            BareMachine bare = new BareMachine(
                    new GuestMemory(List.of(new RamRegion(0, ram.size(), ram.address(), false, ram.fd(), 0))));
            String initrd = o.get("initrd");
            WatchedHost host = new WatchedHost(bare);
            try (Vcpu vcpu = engine.createVcpu(host)) {
                vcpu.restore(Loader.load(
                                bare.memory(),
                                new BootSource(
                                        Path.of(o.getOrDefault("kernel", "")),
                                        initrd == null ? null : Path.of(initrd),
                                        o.getOrDefault("append", "")),
                                0)
                        .cpu());
                long skip = Long.parseLong(o.getOrDefault("skip", "0"));
                while (vcpu.instructions() < skip) {
                    Exit e = vcpu.run(skip - vcpu.instructions());
                    if (e != Exit.BUDGET && e != Exit.KICKED) {
                        System.out.println("Serai stopped after " + vcpu.instructions() + " instructions: " + e);
                        System.exit(1);
                    }
                }
                try (QemuOracle qemu = new QemuOracle(
                        vcpu.save(),
                        vcpu.translate(vcpu.save().rip() & ~0xfffL),
                        bare.memory(),
                        o.getOrDefault("cpu", "qemu64"),
                        fpu,
                        extra)) {
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
        }
        System.exit(same ? 0 : 1);
    }
}
