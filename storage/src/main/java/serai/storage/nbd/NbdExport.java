package serai.storage.nbd;

import java.util.ArrayList;
import java.util.List;
import serai.storage.BlockDevice;
import serai.storage.track.DirtyBitmap;

/**
 * A disk that a server offers.
 *
 * @param name what clients ask for; "" is the default export. At most 4096 bytes of UTF-8, without NUL
 * @param device the disk, which the server uses until the export is removed and does not close
 * @param writable whether clients may write; if the device is read-only they may not in any case
 * @param description for people, at most 4096 bytes; "" if there is none
 * @param bitmaps what has changed, each a meta context {@code qemu:dirty-bitmap:NAME}
 */
public record NbdExport(
        String name, BlockDevice device, boolean writable, String description, List<DirtyBitmap> bitmaps) {
    /** Refuses names that no client could ask for, and two bitmaps of one name. */
    public NbdExport {
        if (!Nbd.isName(name) || !Nbd.isName(description)) {
            throw new IllegalArgumentException("names and descriptions of exports have at most 4096 bytes and no NUL");
        }
        bitmaps = List.copyOf(bitmaps);
        if (bitmaps.stream().map(DirtyBitmap::name).distinct().count() < bitmaps.size()) {
            throw new IllegalArgumentException("two bitmaps of export '" + name + "' have one name");
        }
        for (DirtyBitmap b : bitmaps) {
            if (!Nbd.isName(MetaContext.DIRTY_BITMAP + b.name())) {
                throw new IllegalArgumentException("names of bitmaps have no NUL");
            }
        }
        writable &= !device.readOnly();
    }

    /** Writable if the device is. */
    public static NbdExport of(String name, BlockDevice device) {
        return new NbdExport(name, device, !device.readOnly(), "", List.of());
    }

    /** The same, for reading. */
    public NbdExport readOnly() {
        return new NbdExport(name, device, false, description, bitmaps);
    }

    /** The same with a description. */
    public NbdExport description(String text) {
        return new NbdExport(name, device, writable, text, bitmaps);
    }

    /** The same with one more bitmap. */
    public NbdExport bitmap(DirtyBitmap changed) {
        List<DirtyBitmap> more = new ArrayList<>(bitmaps);
        more.add(changed);
        return new NbdExport(name, device, writable, description, more);
    }
}
