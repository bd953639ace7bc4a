package serai.cpu;

import serai.machine.engine.Engine;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;

/**
 * The engine {@code java}: x86-64 interpreted, on any host a JVM runs on, with no privilege; on x86-64 hosts 64-bit code is translated to the
 * host's machine code.
 */
public final class JavaEngine implements Engine {
    private final CpuGroup group;

    /** The engine of one machine, of the default mode; it holds nothing of the host. */
    public JavaEngine() {
        this(TranslationMode.byDefault());
    }

    /** The engine of one machine. */
    public JavaEngine(TranslationMode mode) {
        // tests make memory for code small, so that it is used up often
        group = new CpuGroup(mode, Long.getLong("serai.translate.bytes", CpuGroup.CODE_SIZE));
    }

    @Override
    public String name() {
        return "java";
    }

    /**
     * A vCPU.
     *
     * @throws IllegalStateException if it has to translate ({@link TranslationMode#ON}) and the host can't
     */
    @Override
    public Vcpu createVcpu(VcpuHost host) {
        return new Cpu(host, group);
    }

    @Override
    public void trim() {
        group.trim(TranslationCache.WORTH_TRIMMING);
    }

    @Override
    public void close() {}
}
