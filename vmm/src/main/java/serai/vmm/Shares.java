package serai.vmm;

import java.util.List;
import serai.linux.HostNode;
import serai.linux.LinuxException;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.disk.ThreadIo;
import serai.machine.virtio.Virtio9p;
import serai.vmm.share.P9Server;

/** Plugs in the directories that the guest sees. */
final class Shares {
    private static final long PATIENCE_MILLIS = 5000;

    private Shares() {}

    /**
     * Plugs them in, before the start.
     *
     * @param parts takes what has to be closed at the end
     * @throws VmmException if one is no directory
     */
    static void plug(Machine machine, List<ShareConfig> shares, List<AutoCloseable> parts) throws VmmException {
        if (shares.isEmpty()) {
            return;
        }
        ThreadIo threads = new ThreadIo(
                machine.lock(), System::nanoTime, Runtime.getRuntime().availableProcessors());
        int n = 0;
        for (ShareConfig s : shares) {
            P9Server server;
            try {
                server = new P9Server(HostNode.directory(s.directory()), s.readOnly());
            } catch (LinuxException e) {
                throw new VmmException(VmmException.INPUT, "share " + s.tag() + ": " + e.getMessage(), e);
            }
            parts.add(server);
            machine.plug(
                    Layout.FIRST_SHARE_SLOT + n,
                    new Virtio9p(s.tag(), server, threads.lane(1))
                            .onPci("virtio-9p" + n, machine.memory(), machine.msi()));
            n++;
        }
        parts.add(() -> {
            boolean unused = threads.close(PATIENCE_MILLIS); // what hangs has nothing that could be lost
        });
    }
}
