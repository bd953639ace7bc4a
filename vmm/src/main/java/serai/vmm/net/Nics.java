package serai.vmm.net;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import serai.machine.Machine;
import serai.machine.e1000.E1000;
import serai.machine.net.NetBackend;
import serai.machine.net.NetDevice;
import serai.machine.virtio.VirtioNet;
import serai.network.NetworkPort;
import serai.network.nat.UserNetwork;
import serai.network.pcap.CapturedPort;
import serai.network.stream.StreamPort;

/** The network interfaces of a VM, by id, and what they are plugged into. Guarded by the machine lock, but for {@link #close}. */
public final class Nics implements AutoCloseable {
    /** The first three bytes of the addresses that QEMU and KVM use: administered locally. */
    private static final long MAC_PREFIX = 0x525400_000000L;

    private final Machine machine;
    private final int pairs;
    private final Map<String, Nic> nics = new LinkedHashMap<>();

    /**
     * An interface.
     *
     * @param device the machine's end
     * @param backend what is between the two, or null
     * @param port the network's end, or null if it is plugged into nothing
     * @param user the network, if it is the guest's own
     */
    private record Nic(
            NetDevice device,
            @Nullable PortBackend backend,
            @Nullable NetworkPort port,
            @Nullable UserNetwork user) {
        void close() {
            if (port != null) {
                port.close();
            }
            if (user != null) {
                user.close();
            }
        }
    }

    /**
     * None yet.
     *
     * @param vcpus how many there can be: a virtio interface has a pair of queues for each, as far as it can
     */
    public Nics(Machine machine, int vcpus) {
        this.machine = machine;
        pairs = Math.min(vcpus, VirtioNet.MAX_PAIRS);
    }

    /**
     * Plugs an interface into the machine, before its start.
     *
     * @param mac its address, or -1 for one by chance
     * @param mtu what the guest is told, or 0
     * @param capture the file that all its frames are written to, or null
     * @throws IOException if the network can't be had; nothing is left behind
     */
    public void add(String id, NicModel model, long mac, int mtu, Network network, @Nullable Path capture, int slot)
            throws IOException {
        UserNetwork user = network instanceof Network.User(var config) ? UserNetwork.start(config) : null;
        NetworkPort port = user != null ? user.port() : open(network);
        if (port != null && capture != null) {
            try {
                port = CapturedPort.of(port, capture);
            } catch (IOException e) {
                port.close();
                if (user != null) {
                    user.close();
                }
                throw e;
            }
        }
        PortBackend plugged = port == null ? null : new PortBackend(port);
        NetBackend backend = plugged == null ? NetBackend.none() : plugged;
        byte[] address =
                bytes(mac >= 0 ? mac : MAC_PREFIX | ThreadLocalRandom.current().nextInt(1 << 24));
        machine.lock().lock();
        try {
            NetDevice device = plug(id, model, address, mtu, backend, slot);
            if (port == null) {
                device.setLink(false);
            }
            nics.put(id, new Nic(device, plugged, port, user));
        } finally {
            machine.lock().unlock();
        }
    }

    private NetDevice plug(String id, NicModel model, byte[] mac, int mtu, NetBackend backend, int slot) {
        return switch (model) {
            case VIRTIO -> {
                VirtioNet n = new VirtioNet(backend, mac, mtu, pairs, machine.lock());
                machine.plug(slot, n.onPci(id, machine.memory(), machine.msi()));
                yield n;
            }
            case E1000 -> {
                E1000 n = new E1000(id, backend, mac, machine.memory(), machine.timers(), machine.lock());
                machine.plug(slot, n);
                yield n;
            }
        };
    }

    private static @Nullable NetworkPort open(Network network) throws IOException {
        return switch (network) {
            case Network.None unused -> null;
            case Network.User unused -> null;
            case Network.Stream(Path path, boolean server) ->
                server ? StreamPort.listen(path) : StreamPort.connect(path);
        };
    }

    private static byte[] bytes(long mac) {
        byte[] b = new byte[6];
        for (int i = 0; i < 6; i++) {
            b[i] = (byte) (mac >>> 40 - 8 * i);
        }
        return b;
    }

    /**
     * Plugs the cable of an interface in or out.
     *
     * @return whether there is one of that id
     */
    public boolean setLink(String id, boolean up) {
        machine.lock().lock();
        try {
            Nic n = nics.get(id);
            if (n != null && n.port != null) {
                n.device.setLink(up);
            }
            return n != null;
        } finally {
            machine.lock().unlock();
        }
    }

    /** Nothing comes in any more: what is saved of the machine must not change meanwhile. */
    public void silence() {
        machine.lock().lock();
        try {
            for (Nic n : nics.values()) {
                if (n.backend != null) {
                    n.backend.silence();
                }
            }
        } finally {
            machine.lock().unlock();
        }
    }

    /** Unplugs all of them from their networks. Not with the machine lock held, which their threads may be waiting for. */
    @Override
    public void close() {
        nics.values().forEach(Nic::close);
    }
}
