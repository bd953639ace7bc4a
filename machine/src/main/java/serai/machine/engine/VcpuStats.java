package serai.machine.engine;

import java.util.Map;

/**
 * What a vCPU has counted.
 *
 * @param instructions completed, or -1 if the engine can't count them
 * @param exits by cause ("port-read", "mmio-write", "hlt", "interrupt", …), in no special order
 * @param tlbMisses of the software TLB, or -1
 */
public record VcpuStats(long instructions, Map<String, Long> exits, long tlbMisses) {}
