package serai.cpu;

import serai.machine.engine.CpuState;

/** The extended state in the standard XSAVE format. */
final class XsaveImage {
    static byte[] save(Cpu c) {
        return new byte[CpuState.XSAVE_SIZE];
    }

    static void restore(Cpu c, byte[] image) {}

    private XsaveImage() {}
}
