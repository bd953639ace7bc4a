package serai.cpu;

import serai.machine.engine.Engine;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;

/**
 * The engine {@code java}: x86-64 interpreted, on any host a JVM runs on, with no privilege; on x86-64 hosts 64-bit code is translated to the
 * host's machine code.
 */
public final class JavaEngine implements Engine {
    private final CpuGroup group = new CpuGroup();

    /** The engine of one machine; it holds nothing of the host. */
    public JavaEngine() {}

    @Override
    public String name() {
        return "java";
    }

    @Override
    public Vcpu createVcpu(VcpuHost host) {
        return new Cpu(host, group);
    }

    @Override
    public void close() {}
}
