package serai.vmm.qmp;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.linux.HostFile;
import serai.storage.BlockDevice;
import serai.storage.ImageFormat;
import serai.storage.qcow2.BitmapInfo;
import serai.storage.qcow2.Qcow2Disk;
import serai.storage.qcow2.Qcow2Info;
import serai.storage.qcow2.SnapshotInfo;
import serai.storage.throttle.Limit;
import serai.storage.throttle.Limits;
import serai.storage.track.DirtyBitmap;
import serai.vmm.block.BlockNode;
import serai.vmm.block.BlockNodes;
import serai.vmm.plug.CdDrives;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What disks are: {@code query-block}, {@code query-named-block-nodes}. */
final class BlockQueries {
    private final BlockNodes nodes;
    private final CdDrives drives;

    BlockQueries(BlockNodes nodes, CdDrives drives) {
        this.nodes = nodes;
        this.drives = drives;
    }

    void addTo(CommandTable table) {
        table.add("query-block", a -> block());
        table.add("query-named-block-nodes", List.of(), List.of("flat"), a -> named());
    }

    private ArrayNode block() {
        ArrayNode all = Json.array();
        List<CdDrives.Info> cds = drives.list();
        for (CdDrives.Info d : cds) {
            ObjectNode o = all.addObject();
            o.put("device", "");
            o.put("qdev", "/machine/peripheral/" + d.id());
            o.put("type", "unknown");
            o.put("removable", true);
            o.put("locked", d.locked());
            o.put("tray_open", d.open());
            BlockNode n = d.node() == null ? null : nodes.node(d.node());
            if (n != null) {
                o.put("io-status", n.ioStatus());
                o.set("inserted", inserted(n));
            }
        }
        for (BlockNode n : nodes.list()) {
            if (n.user() != null && cds.stream().noneMatch(d -> d.id().equals(n.user()))) {
                ObjectNode o = all.addObject();
                o.put("device", "");
                o.put("qdev", "/machine/peripheral/" + n.user());
                o.put("type", "unknown");
                o.put("removable", false);
                o.put("locked", false);
                o.put("io-status", n.ioStatus());
                o.set("inserted", inserted(n));
            }
        }
        return all;
    }

    private ArrayNode named() {
        ArrayNode all = Json.array();
        nodes.list().forEach(n -> all.add(inserted(n)));
        return all;
    }

    private ObjectNode inserted(BlockNode n) {
        ObjectNode o = Json.object();
        o.put("node-name", n.name());
        // QEMU has no driver that is a checkpoint, hence the x-
        o.put(
                "drv",
                n.origin().isPresent()
                        ? "x-checkpoint"
                        : n.remote() != null ? "nbd" : n.format().word());
        o.put("file", n.location());
        o.put("ro", n.readOnly());
        Qcow2Disk qcow2 = n.image() instanceof Qcow2Disk q ? q : null;
        boolean encrypted =
                n.format() == ImageFormat.LUKS || qcow2 != null && qcow2.info().encrypted();
        o.put("encrypted", encrypted);
        int depth = 0;
        String backing = null;
        if (qcow2 != null) {
            backing = qcow2.backingName().orElse(null);
            depth = depth(qcow2);
        }
        if (backing != null) {
            o.put("backing_file", backing);
        }
        o.put("backing_file_depth", depth);
        o.putObject("cache").put("writeback", true).put("direct", false).put("no-flush", false);
        limits(o, n.limits());
        String group = n.group();
        if (group != null) {
            o.put("group", group);
        }
        if (!n.bitmaps().isEmpty() || qcow2 != null && !qcow2.bitmapInfos().isEmpty()) {
            o.set("dirty-bitmaps", bitmaps(n, qcow2));
        }
        o.set("image", image(n, qcow2, encrypted));
        return o;
    }

    private static int depth(Qcow2Disk top) {
        int depth = 0;
        BlockDevice d = top.backing();
        while (d != null) {
            depth++;
            d = d instanceof Qcow2Disk q ? q.backing() : null;
        }
        return depth;
    }

    private static void limits(ObjectNode o, Limits l) {
        limit(o, "bps", l.bps());
        limit(o, "bps_rd", l.bpsRead());
        limit(o, "bps_wr", l.bpsWrite());
        limit(o, "iops", l.iops());
        limit(o, "iops_rd", l.iopsRead());
        limit(o, "iops_wr", l.iopsWrite());
        if (l.normalized().average() > 0) {
            limit(o, "x-iops_normalized", l.normalized());
        }
        if (l.iopsSize() > 0) {
            o.put("iops_size", l.iopsSize());
        }
    }

    private static void limit(ObjectNode o, String name, Limit l) {
        o.put(name, l.average());
        if (l.max() > 0) {
            o.put(name + "_max", l.max()).put(name + "_max_length", l.maxSeconds());
        }
    }

    private ArrayNode bitmaps(BlockNode n, @Nullable Qcow2Disk qcow2) {
        ArrayNode all = Json.array();
        for (DirtyBitmap b : n.bitmaps()) {
            all.addObject()
                    .put("name", b.name())
                    .put("count", b.count())
                    .put("granularity", b.granularity())
                    .put("recording", b.enabled())
                    .put("busy", nodes.busy(b))
                    .put("persistent", n.keeps(b));
        }
        for (BitmapInfo i : qcow2 == null ? List.<BitmapInfo>of() : qcow2.bitmapInfos()) {
            if (i.inconsistent()) {
                all.addObject()
                        .put("name", i.name())
                        .put("count", 0)
                        .put("granularity", i.granularity())
                        .put("recording", false)
                        .put("busy", false)
                        .put("persistent", true)
                        .put("inconsistent", true);
            }
        }
        return all;
    }

    private static ObjectNode image(BlockNode n, @Nullable Qcow2Disk qcow2, boolean encrypted) {
        ObjectNode o = Json.object();
        o.put("filename", n.location());
        o.put("format", n.format().word());
        o.put("virtual-size", n.bytes());
        if (n.remote() == null && n.ioStatus().equals("ok")) { // a store that hangs would not answer
            try (HostFile f = HostFile.open(n.file(), HostFile.Access.READ_ONLY)) {
                o.put("actual-size", f.allocated());
            } catch (IOException e) {
                // it is optional
            }
        }
        if (encrypted) {
            o.put("encrypted", true);
        }
        if (qcow2 == null) {
            return o;
        }
        Qcow2Info i = qcow2.info();
        o.put("cluster-size", i.clusterSize());
        o.put("dirty-flag", i.dirty());
        try {
            qcow2.backingName().ifPresent(name -> o.put("backing-filename", name));
            qcow2.backingFormat().ifPresent(f -> o.put("backing-filename-format", f.word()));
            List<SnapshotInfo> snapshots = qcow2.snapshots();
            if (!snapshots.isEmpty()) {
                ArrayNode a = o.putArray("snapshots");
                snapshots.forEach(s -> a.add(snapshot(s)));
            }
        } catch (IOException e) {
            System.getLogger("serai.disk").log(System.Logger.Level.WARNING, "disk {0}: {1}", n.name(), e.getMessage());
        }
        ObjectNode specific =
                o.putObject("format-specific").put("type", "qcow2").putObject("data");
        specific.put("compat", i.version() == 2 ? "0.10" : "1.1");
        specific.put("refcount-bits", i.refcountBits());
        if (i.version() == 3) {
            specific.put("lazy-refcounts", i.lazyRefcounts());
            specific.put("corrupt", i.corrupt());
            specific.put("extended-l2", i.extendedL2());
            i.dataFile().ifPresent(f -> specific.put("data-file", f).put("data-file-raw", i.rawData()));
        }
        specific.put("compression-type", i.zstd() ? "zstd" : "zlib");
        return o;
    }

    /** As QEMU's {@code SnapshotInfo}. */
    static ObjectNode snapshot(SnapshotInfo s) {
        return Json.object()
                .put("id", s.id())
                .put("name", s.name())
                .put("vm-state-size", s.vmStateBytes())
                .put("date-sec", s.time().getEpochSecond())
                .put("date-nsec", s.time().getNano())
                .put("vm-clock-sec", s.guestNanos() / 1_000_000_000)
                .put("vm-clock-nsec", s.guestNanos() % 1_000_000_000);
    }
}
