package serai.vmm;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import serai.vmm.net.Network;

/**
 * What one VM is to be, from {@code key=value} words. Each group of options is a record with the words it takes; a new option is one of a
 * group's, and stands in that file alone.
 *
 * @param boot what it boots
 * @param hardware the machine
 * @param balloon whether the machine has a memory balloon
 * @param disks in the order of their PCI slots
 * @param cdroms in the order of their ports, behind the SATA disks
 * @param nics its network interfaces, in the order of their PCI slots
 * @param secrets the files with passphrases of disks, by name
 * @param vsock the socket device, or null for none
 * @param shares directories of the host, in the order of their PCI slots
 * @param streams where the guest's output goes, and its input comes from
 * @param repeat whether the run can be repeated
 * @param snapshots what is saved and restored
 * @param session how the process behaves
 */
public record VmConfig(
        BootConfig boot,
        HardwareConfig hardware,
        BalloonConfig balloon,
        List<DiskConfig> disks,
        List<CdromConfig> cdroms,
        List<NicConfig> nics,
        Map<String, Path> secrets,
        @Nullable VsockConfig vsock,
        List<ShareConfig> shares,
        StreamConfig streams,
        RepeatConfig repeat,
        SnapshotConfig snapshots,
        SessionConfig session) {
    /** The same with another machine: that of a snapshot. */
    VmConfig withHardware(HardwareConfig other) {
        return new VmConfig(
                boot, other, balloon, disks, cdroms, nics, secrets, vsock, shares, streams, repeat, snapshots, session);
    }

    /**
     * Reads the words.
     *
     * @throws VmmException with status 2 if a key or a value is not one of those above
     */
    public static VmConfig parse(List<String> words) throws VmmException {
        BootConfig.Group boot = new BootConfig.Group();
        HardwareConfig.Group hardware = new HardwareConfig.Group();
        BalloonConfig.Group balloon = new BalloonConfig.Group();
        DiskConfig.Group disks = new DiskConfig.Group();
        CdromConfig.Group cdroms = new CdromConfig.Group();
        NicConfig.Group nics = new NicConfig.Group();
        VsockConfig.Group vsock = new VsockConfig.Group();
        ShareConfig.Group shares = new ShareConfig.Group();
        StreamConfig.Group streams = new StreamConfig.Group();
        RepeatConfig.Group repeat = new RepeatConfig.Group();
        SnapshotConfig.Group snapshots = new SnapshotConfig.Group();
        SessionConfig.Group session = new SessionConfig.Group();
        List<WordGroup> groups = List.of(
                boot, hardware, balloon, disks, cdroms, nics, vsock, shares, streams, repeat, snapshots, session);
        for (String w : words) {
            int eq = w.indexOf('=');
            if (eq <= 0) {
                throw Words.usage("'" + w + "' is not KEY=VALUE");
            }
            take(groups, w.substring(0, eq), w.substring(eq + 1));
        }
        SnapshotConfig saved = snapshots.finish();
        VmConfig c = new VmConfig(
                boot.finish(saved.load() != null),
                hardware.finish(),
                balloon.finish(),
                disks.finish(),
                cdroms.finish(),
                nics.finish(),
                disks.secrets(),
                vsock.finish(),
                shares.finish(),
                streams.finish(),
                repeat.finish(),
                saved,
                session.finish());
        if (c.repeat.seed() != null && (c.vsock != null || c.streams.haveSockets())) {
            throw Words.usage("what comes in by a socket does not repeat: not with deterministic");
        }
        if (c.repeat.seed() != null && !c.nics.stream().allMatch(n -> n.network() instanceof Network.None)) {
            throw Words.usage("what comes in by a network does not repeat: not with deterministic");
        }
        if (c.repeat.seed() != null && !c.shares.isEmpty()) {
            throw Words.usage("files that others may change do not repeat: no share with deterministic");
        }
        if (c.repeat.seed() != null && c.session.profile() != null) {
            throw Words.usage(
                    "vCPUs that take turns on one thread have no time of their own: no profile with deterministic");
        }
        return c;
    }

    private static void take(List<WordGroup> groups, String key, String value) throws VmmException {
        for (WordGroup g : groups) {
            if (g.take(key, value)) {
                return;
            }
        }
        throw Words.usage("unknown option '" + key + "'");
    }
}
