package serai.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import serai.storage.BlockDevice;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.image.ByteSize;
import serai.storage.luks.LuksInfo;
import serai.storage.qcow2.BitmapInfo;
import serai.storage.qcow2.Qcow2Disk;
import serai.storage.qcow2.Qcow2Info;
import serai.storage.qcow2.SnapshotInfo;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * What {@code image info} tells of an image, as QEMU's ImageInfo (qapi/block-core.json). Neither its backing file nor a passphrase is
 * needed for it.
 *
 * @param json with QEMU's names
 * @param backing where the backing file is, and its format as far as that is stated
 * @param backingFormat that format
 */
record ImageFacts(ObjectNode json, Optional<Path> backing, Optional<ImageFormat> backingFormat) {
    private static final DateTimeFormatter DATE =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss").withZone(ZoneId.systemDefault());

    /**
     * Of an image.
     *
     * @param file is closed with this
     */
    static ImageFacts of(HostImageFile file, ImageFormat format, Opening opening) throws IOException {
        ObjectNode o = JsonNodeFactory.instance.objectNode();
        o.put("filename", file.path().toString());
        o.put("format", format.word());
        long allocated = file.allocated();
        if (format == ImageFormat.LUKS) {
            try (HostImageFile f = file) {
                LuksInfo info = LuksInfo.read(f);
                o.put("virtual-size", Math.max(0, f.size() - info.payloadOffset()));
                o.put("actual-size", allocated);
                o.put("encrypted", true);
                o.set("format-specific", specific(format, luks(info)));
                return new ImageFacts(o, Optional.empty(), Optional.empty());
            }
        }
        boolean done = false;
        try (BlockDevice disk = opening.forCheck().on(file, format)) {
            done = true;
            o.put("virtual-size", disk.size());
            o.put("actual-size", allocated);
            return disk instanceof Qcow2Disk q
                    ? qcow2(o, file.path(), q)
                    : new ImageFacts(o.put("dirty-flag", false), Optional.empty(), Optional.empty());
        } finally {
            if (!done) {
                file.close();
            }
        }
    }

    private static ImageFacts qcow2(ObjectNode o, Path path, Qcow2Disk disk) throws IOException {
        Qcow2Info info = disk.info();
        o.put("cluster-size", info.clusterSize());
        o.put("dirty-flag", info.dirty());
        if (info.encrypted()) {
            o.put("encrypted", true);
        }
        List<SnapshotInfo> snapshots = disk.snapshots();
        if (!snapshots.isEmpty()) {
            o.set("snapshots", snapshots(snapshots));
        }
        ObjectNode data = JsonNodeFactory.instance.objectNode();
        data.put("compat", info.version() == 2 ? "0.10" : "1.1");
        data.put("compression-type", info.zstd() ? "zstd" : "zlib");
        data.put("refcount-bits", info.refcountBits());
        if (info.version() == 3) {
            data.put("lazy-refcounts", info.lazyRefcounts());
            data.put("corrupt", info.corrupt());
            data.put("extended-l2", info.extendedL2());
        }
        if (info.encrypted()) {
            data.putObject("encrypt").put("format", "luks");
        }
        info.dataFile().ifPresent(name -> data.put("data-file", name).put("data-file-raw", info.rawData()));
        if (!disk.bitmapInfos().isEmpty()) {
            data.set("bitmaps", bitmaps(disk.bitmapInfos()));
        }
        o.set("format-specific", specific(ImageFormat.QCOW2, data));
        Optional<String> name = disk.backingName();
        if (name.isEmpty()) {
            return new ImageFacts(o, Optional.empty(), Optional.empty());
        }
        Path backing = References.resolve(path, name.get(), "backing file");
        Optional<ImageFormat> format = disk.backingFormat();
        o.put("backing-filename", name.get());
        o.put("full-backing-filename", backing.toString());
        format.ifPresent(f -> o.put("backing-filename-format", f.word()));
        return new ImageFacts(o, Optional.of(backing), format);
    }

    private static ObjectNode specific(ImageFormat format, ObjectNode data) {
        ObjectNode o = JsonNodeFactory.instance.objectNode();
        o.put("type", format.word());
        o.set("data", data);
        return o;
    }

    private static ObjectNode luks(LuksInfo info) {
        ObjectNode o = JsonNodeFactory.instance.objectNode();
        o.put("version", info.version());
        o.put("cipher", info.cipher());
        o.put("key-bits", info.keyBits());
        o.put("hash-alg", info.hash());
        o.put("uuid", info.uuid());
        o.put("sector-size", info.sectorSize());
        o.put("payload-offset", info.payloadOffset());
        ArrayNode slots = o.putArray("slots");
        for (LuksInfo.Slot s : info.slots()) {
            slots.addObject()
                    .put("number", s.number())
                    .put("active", true)
                    .put("derivation", s.derivation())
                    .put("key-offset", s.offset())
                    .put("stripes", s.stripes());
        }
        return o;
    }

    private static ArrayNode bitmaps(List<BitmapInfo> bitmaps) {
        ArrayNode all = JsonNodeFactory.instance.arrayNode();
        for (BitmapInfo b : bitmaps) {
            ObjectNode o = all.addObject();
            ArrayNode flags = o.putArray("flags");
            if (b.inconsistent()) {
                flags.add("in-use");
            }
            if (b.auto()) {
                flags.add("auto");
            }
            o.put("name", b.name());
            o.put("granularity", b.granularity());
        }
        return all;
    }

    /** QEMU's SnapshotInfo. */
    static ArrayNode snapshots(List<SnapshotInfo> snapshots) {
        ArrayNode all = JsonNodeFactory.instance.arrayNode();
        for (SnapshotInfo s : snapshots) {
            all.addObject()
                    .put("id", s.id())
                    .put("name", s.name())
                    .put("vm-state-size", s.vmStateBytes())
                    .put("date-sec", s.time().getEpochSecond())
                    .put("date-nsec", s.time().getNano())
                    .put("vm-clock-sec", s.guestNanos() / 1_000_000_000)
                    .put("vm-clock-nsec", s.guestNanos() % 1_000_000_000);
        }
        return all;
    }

    // ---- for people ----

    /** Lines. */
    String text() {
        StringBuilder t = new StringBuilder();
        line(t, "image", json.path("filename").asString());
        line(t, "file format", json.path("format").asString());
        long size = json.path("virtual-size").asLong();
        line(t, "virtual size", ByteSize.words(size) + " (" + size + " bytes)");
        line(t, "disk size", ByteSize.words(json.path("actual-size").asLong()));
        if (json.path("encrypted").asBoolean(false)) {
            line(t, "encrypted", "yes");
        }
        if (json.has("cluster-size")) {
            line(t, "cluster size", json.path("cluster-size").asString());
        }
        if (json.path("dirty-flag").asBoolean(false)) {
            line(t, "cleanly closed", "no");
        }
        if (json.has("backing-filename")) {
            String name = json.path("backing-filename").asString();
            String full = json.path("full-backing-filename").asString();
            line(t, "backing file", printable(name) + (name.equals(full) ? "" : " (" + printable(full) + ")"));
            line(t, "backing file format", json.path("backing-filename-format").asString("not stated"));
        }
        if (json.has("snapshots")) {
            t.append(snapshotText(json.path("snapshots")));
        }
        if (json.has("format-specific")) {
            t.append("format specific:\n");
            lines(t, json.path("format-specific").path("data"), "    ");
        }
        return t.toString();
    }

    private static void line(StringBuilder t, String name, String value) {
        t.append(name).append(": ").append(value).append('\n');
    }

    private static void lines(StringBuilder t, JsonNode node, String indent) {
        for (Map.Entry<String, JsonNode> e : node.properties()) {
            t.append(indent).append(e.getKey().replace('-', ' ')).append(':');
            JsonNode v = e.getValue();
            if (v.isObject()) {
                t.append('\n');
                lines(t, v, indent + "    ");
            } else if (v.isArray()) {
                t.append('\n');
                for (JsonNode i : v) {
                    t.append(indent)
                            .append("  - ")
                            .append(i.isObject() ? "" : printable(i.asString()))
                            .append('\n');
                    lines(t, i, indent + "    ");
                }
            } else {
                t.append(' ').append(printable(v.asString())).append('\n');
            }
        }
    }

    /** What an image says of itself must not command the terminal. */
    private static String printable(String s) {
        return s.replaceAll("\\p{C}", "?");
    }

    /** A table. */
    static String snapshotText(JsonNode snapshots) {
        StringBuilder t = new StringBuilder("snapshots:\n");
        t.append("%-8s  %-20s  %10s  %-19s  %s\n".formatted("ID", "NAME", "VM STATE", "MADE", "GUEST TIME"));
        for (JsonNode s : snapshots) {
            Duration clock = Duration.ofSeconds(
                    s.path("vm-clock-sec").asLong(), s.path("vm-clock-nsec").asLong());
            t.append("%-8s  %-20s  %10s  %-19s  %02d:%02d:%02d.%03d\n"
                    .formatted(
                            printable(s.path("id").asString()),
                            printable(s.path("name").asString()),
                            ByteSize.words(s.path("vm-state-size").asLong()),
                            DATE.format(Instant.ofEpochSecond(s.path("date-sec").asLong())),
                            clock.toHours(),
                            clock.toMinutesPart(),
                            clock.toSecondsPart(),
                            clock.toMillisPart()));
        }
        return t.toString();
    }
}
