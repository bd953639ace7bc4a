package serai.vmm;

import serai.machine.Layout;
import serai.machine.virtio.VirtioMem;

/**
 * How much memory a VM has, as the word says: {@code memory=SIZE[,max=SIZE[,node=N]]}.
 *
 * @param bytes at its start, a whole number of MiB
 * @param max what it can grow to; {@code bytes}, if it can't
 * @param node the NUMA node of what is plugged
 */
public record MemorySize(long bytes, long max, int node) {
    /** Bytes that can be plugged. */
    public long pluggable() {
        return max - bytes;
    }

    /** The same machine with the sizes of a snapshot. */
    MemorySize with(long newBytes, long pluggable) {
        return new MemorySize(newBytes, newBytes + pluggable, node);
    }

    /** Whether a machine can have so much, and that much to be plugged. */
    static boolean possible(long bytes, long pluggable) {
        return bytes >= Words.MIN_MEMORY
                && bytes <= Words.MAX_MEMORY
                && pluggable >= 0
                && pluggable % VirtioMem.BLOCK_SIZE == 0
                && (pluggable == 0 || pluggable <= Layout.PCI_WINDOW_64 - Layout.pluggableRam(bytes));
    }

    static MemorySize parse(String v) throws VmmException {
        String[] parts = v.split(",", -1);
        long bytes = Words.memory(parts[0]);
        long max = bytes;
        int node = 0;
        for (int i = 1; i < parts.length; i++) {
            String value = parts[i].substring(parts[i].indexOf('=') + 1);
            if (parts[i].startsWith("max=")) {
                max = Words.memory(value);
            } else if (parts[i].matches("node=\\d{1,3}")) {
                node = Integer.parseInt(value);
            } else {
                throw usage("memory '" + v + "' is not SIZE[,max=SIZE[,node=N]]; try 1G,max=4G");
            }
        }
        if (max < bytes) {
            throw usage("memory " + v + ": what it can grow to is less than what it has at the start");
        }
        if ((max - bytes) % VirtioMem.BLOCK_SIZE != 0) {
            throw usage("memory " + v + ": it grows by 2M at a time");
        }
        if (!possible(bytes, max - bytes)) {
            throw usage("memory " + v + " is more than a guest can grow to: the addresses end at 512G");
        }
        return new MemorySize(bytes, max, node);
    }

    /** Refuses a NUMA node that there is not. */
    void checkNode(int nodes) throws VmmException {
        if (node >= Math.max(nodes, 1)) {
            throw usage("memory: node %d is not there, and there are %d".formatted(node, nodes));
        }
    }

    private static VmmException usage(String sentence) {
        return new VmmException(VmmException.USAGE, sentence);
    }
}
