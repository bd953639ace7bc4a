package serai.bench.lockstep;

import org.jspecify.annotations.Nullable;
import serai.cpu.JavaEngine;
import serai.machine.engine.Engine;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;

/** The Java engine with its vCPU's host watched. */
final class WatchedEngine implements Engine {
    private final JavaEngine engine = new JavaEngine();
    private @Nullable WatchedHost host;

    /** The host of the vCPU that was made. */
    WatchedHost host() {
        WatchedHost h = host;
        if (h == null) {
            throw new IllegalStateException("no vCPU yet");
        }
        return h;
    }

    @Override
    public String name() {
        return engine.name();
    }

    @Override
    public Vcpu createVcpu(VcpuHost real) {
        WatchedHost h = new WatchedHost(real);
        host = h;
        return engine.createVcpu(h);
    }

    @Override
    public void close() {
        engine.close();
    }
}
