package serai.vmm.qmp;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.vmm.plug.CdDrives;
import serai.vmm.plug.PlugException;
import tools.jackson.databind.node.ObjectNode;

/**
 * Media of CD-ROM drives: {@code blockdev-open-tray}, {@code blockdev-close-tray}, {@code blockdev-remove-medium}, {@code
 * blockdev-insert-medium}, {@code blockdev-change-medium}, {@code eject}. The event {@code DEVICE_TRAY_MOVED} is told by whoever wires it.
 */
public final class MediumCommands {
    private static final List<String> DEVICE = List.of("device", "id");

    private final CdDrives drives;

    /** Of a VM. */
    public MediumCommands(CdDrives drives) {
        this.drives = drives;
    }

    /** What is asked of a drive. */
    @FunctionalInterface
    private interface Action {
        void on(String id, Arguments a) throws QmpException, PlugException, DiskException;
    }

    /** Puts them into the table. */
    public void addTo(CommandTable table) {
        List<String> force = List.of("device", "id", "force");
        // a guest that has locked the tray is asked; whether it opens it, the event tells
        add(table, "blockdev-open-tray", List.of(), force, (id, a) -> drives.open(id, a.bool("force", false)));
        add(table, "blockdev-close-tray", List.of(), DEVICE, (id, a) -> drives.close(id));
        add(table, "blockdev-remove-medium", List.of(), DEVICE, (id, a) -> drives.remove(id));
        add(
                table,
                "blockdev-insert-medium",
                List.of("node-name"),
                DEVICE,
                (id, a) -> drives.insert(id, a.string("node-name")));
        List<String> change = List.of("device", "id", "format", "force", "read-only-mode");
        add(table, "blockdev-change-medium", List.of("filename"), change, this::change);
        add(table, "eject", List.of(), force, (id, a) -> drives.eject(id, a.bool("force", false)));
    }

    private void add(CommandTable table, String name, List<String> required, List<String> optional, Action action) {
        table.add(name, required, optional, a -> {
            try {
                action.on(drive(a), a);
            } catch (PlugException e) {
                throw new QmpException(
                        e.notFound() ? QmpException.ErrorClass.DEVICE_NOT_FOUND : QmpException.ErrorClass.GENERIC_ERROR,
                        String.valueOf(e.getMessage()));
            } catch (DiskException | InvalidPathException e) {
                throw new QmpException(String.valueOf(e.getMessage()));
            }
            return Json.object();
        });
    }

    private void change(String id, Arguments a) throws QmpException, PlugException, DiskException {
        oneOf(a, "format", "raw");
        oneOf(a, "read-only-mode", "retain", "read-only"); // which come to the same for a CD
        drives.change(id, Path.of(a.string("filename")), a.bool("force", false));
    }

    private static void oneOf(Arguments a, String name, String... values) throws QmpException {
        String v = a.optionalString(name);
        if (v != null && !List.of(values).contains(v)) {
            throw new QmpException("Parameter '%s' does not accept value '%s'".formatted(name, v));
        }
    }

    /** The id, by which a drive goes under both names, or by its path. */
    private static String drive(Arguments a) throws QmpException {
        @Nullable String device = a.optionalString("device");
        @Nullable String id = a.optionalString("id");
        if ((device == null) == (id == null)) {
            throw new QmpException("Need exactly one of 'device' and 'id'");
        }
        return (device == null ? String.valueOf(id) : device).replaceFirst("^/machine/peripheral/", "");
    }

    /** The event's data of a tray that has moved. */
    public static ObjectNode trayMoved(String id, boolean open) {
        return Json.object().put("device", "").put("id", id).put("tray-open", open);
    }
}
