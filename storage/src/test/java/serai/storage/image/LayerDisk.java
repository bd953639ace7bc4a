package serai.storage.image;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/** An image in memory: each of its clusters has data, reads as zeros, or shows what is below it. */
final class LayerDisk implements BlockDevice {
    /** Called at each transfer, before it. */
    interface Hook {
        void at(String what, long position, long length) throws IOException;
    }

    private enum State {
        BELOW,
        ZERO,
        DATA
    }

    final int cluster;
    private final @Nullable LayerDisk below;
    private byte[] bytes;
    private State[] states;
    /** Told of reads, writes and zeroing. */
    volatile Hook hook = (what, position, length) -> {};

    LayerDisk(int size, int cluster, @Nullable LayerDisk below) {
        this.cluster = cluster;
        this.below = below;
        bytes = new byte[size];
        states = new State[Math.ceilDiv(size, cluster)];
        Arrays.fill(states, State.BELOW);
    }

    /** With data, zeros and nothing at random, by clusters; the same byte often, so that images agree here and there. */
    LayerDisk random(Random r) {
        for (int i = 0; i < states.length; i++) {
            switch (r.nextInt(4)) {
                case 0 -> states[i] = State.ZERO;
                case 1, 2 -> {
                    states[i] = State.DATA;
                    int end = Math.min(bytes.length, (i + 1) * cluster);
                    for (int at = i * cluster; at < end; at += SECTOR) {
                        Arrays.fill(bytes, at, at + SECTOR, (byte) Math.max(0, r.nextInt(5) - 2));
                    }
                }
                default -> {}
            }
        }
        return this;
    }

    /** As any file is read: byte by byte, with zeros after its end. */
    synchronized byte[] content(int length) {
        byte[] out = new byte[length];
        for (int at = 0; at < Math.min(length, bytes.length); at += SECTOR) {
            System.arraycopy(sector(at), 0, out, at, SECTOR);
        }
        return out;
    }

    /** The same upon another image. */
    synchronized LayerDisk upon(LayerDisk other) {
        LayerDisk d = new LayerDisk(bytes.length, cluster, other);
        d.bytes = bytes.clone();
        d.states = states.clone();
        return d;
    }

    private synchronized byte[] sector(int at) {
        return switch (states[at / cluster]) {
            case DATA -> Arrays.copyOfRange(bytes, at, at + SECTOR);
            case ZERO -> new byte[SECTOR];
            case BELOW -> below == null || at >= below.bytes.length ? new byte[SECTOR] : below.sector(at);
        };
    }

    @Override
    public long size() {
        return bytes.length;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        hook.at("read", position, length);
        synchronized (this) {
            for (int at = 0; at < length; at += SECTOR) {
                MemorySegment.copy(
                        sector((int) position + at),
                        0,
                        NativeBuffer.at(hostAddress + at, SECTOR),
                        ValueLayout.JAVA_BYTE,
                        0,
                        SECTOR);
            }
        }
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        hook.at("write", position, length);
        synchronized (this) {
            own(position, length);
            MemorySegment.copy(
                    NativeBuffer.at(hostAddress, length), ValueLayout.JAVA_BYTE, 0, bytes, (int) position, (int)
                            length);
        }
    }

    private void own(long position, long length) {
        for (int i = (int) position / cluster; i <= (position + length - 1) / cluster; i++) {
            if (states[i] != State.DATA) {
                int end = Math.min(bytes.length, (i + 1) * cluster);
                for (int at = i * cluster; at < end; at += SECTOR) {
                    System.arraycopy(sector(at), 0, bytes, at, SECTOR);
                }
                states[i] = State.DATA;
            }
        }
    }

    @Override
    public void flush() throws IOException {
        hook.at("flush", 0, 0);
    }

    @Override
    public void discard(long position, long length) {}

    @Override
    public void zero(long position, long length, boolean mayFree) throws IOException {
        BlockDevice.check(this, position, length);
        hook.at("zero", position, length);
        zero(position, length);
    }

    private synchronized void zero(long position, long length) {
        for (long at = position; at < position + length; ) {
            int i = (int) at / cluster;
            int start = i * cluster;
            int end = Math.min(bytes.length, start + cluster);
            if (at == start && position + length >= end) {
                states[i] = State.ZERO;
            } else {
                own(at, 1);
                Arrays.fill(bytes, (int) at, (int) Math.min(end, position + length), (byte) 0);
            }
            at = end;
        }
    }

    @Override
    public synchronized Extent status(long position, long length) throws IOException {
        BlockDevice.check(this, position, length);
        int i = (int) position / cluster;
        long n = Math.min(length, Math.min(bytes.length, (i + 1) * cluster) - position);
        return switch (states[i]) {
            case DATA -> Extent.data(n, position);
            case ZERO -> Extent.zeros(n);
            case BELOW ->
                below == null || position >= below.size()
                        ? Extent.nowhere(n)
                        : below.status(position, Math.min(n, below.size() - position))
                                .below();
        };
    }

    @Override
    public synchronized void resize(long size) {
        own(bytes.length - 1, 1); // what is below must not show through in the rest of it
        int old = states.length;
        bytes = Arrays.copyOf(bytes, (int) size);
        states = Arrays.copyOf(states, Math.ceilDiv((int) size, cluster));
        Arrays.fill(states, Math.min(old, states.length), states.length, State.ZERO);
    }

    @Override
    public void close() {}
}
