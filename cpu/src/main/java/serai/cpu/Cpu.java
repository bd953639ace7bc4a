package serai.cpu;

import serai.machine.engine.VcpuHost;

/** A virtual x86-64 CPU. */
final class Cpu extends CpuMemory {
    Cpu(VcpuHost host) {
        super(host);
    }

    @Override
    CpuException fault(int vector, int error) {
        throw CpuException.FAULT;
    }

    @Override
    void translationsChanged() {}

    long linear(int segment, long offset, int size, boolean write) {
        return base[segment] + offset;
    }
}
