package serai.vmm.qmp;

import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import serai.storage.DiskException;
import serai.vmm.block.BlockNodes;
import serai.vmm.block.Secrets;

/**
 * Objects that are named: {@code object-add}, {@code object-del}. There is one type, {@code secret}, the passphrase of a disk that {@code blockdev-add}
 * opens afterwards; it is not encrypted on its way, as who can read the socket can read the disk.
 */
final class ObjectCommands {
    private final Secrets secrets;

    ObjectCommands(BlockNodes nodes) {
        secrets = nodes.secrets();
    }

    void addTo(CommandTable table) {
        table.add("object-add", List.of("qom-type", "id"), List.of("data", "file", "format"), a -> {
            add(a);
            return Json.object();
        });
        table.add("object-del", List.of("id"), List.of(), a -> {
            try {
                secrets.remove(a.string("id"));
            } catch (DiskException e) {
                throw new QmpException(String.valueOf(e.getMessage()));
            }
            return Json.object();
        });
    }

    private void add(Arguments a) throws QmpException {
        String type = a.string("qom-type");
        if (!type.equals("secret")) {
            throw new QmpException("Parameter 'qom-type' does not accept value '" + type + "': there is 'secret'");
        }
        String data = a.optionalString("data");
        String file = a.optionalString("file");
        if (data != null && file != null) {
            throw new QmpException("'file' and 'data' are mutually exclusive");
        }
        String format = a.optionalString("format");
        if (format != null && !format.equals("raw") && !format.equals("base64")) {
            throw new QmpException("Parameter 'format' does not accept value '" + format + "'");
        }
        boolean base64 = "base64".equals(format);
        try {
            if (data != null) {
                secrets.add(a.string("id"), decoded(data, base64));
            } else if (file == null) {
                throw new QmpException("Must provide 'file' or 'data'");
            } else if (base64) {
                throw new QmpException("a file with a secret is taken as it is; base64 is for 'data'");
            } else {
                secrets.add(a.string("id"), Path.of(file));
            }
        } catch (DiskException | InvalidPathException e) {
            throw new QmpException(String.valueOf(e.getMessage()));
        }
    }

    private static byte[] decoded(String data, boolean base64) throws QmpException {
        try {
            return base64 ? Base64.getDecoder().decode(data) : data.getBytes(StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw new QmpException("Parameter 'data' is no base64");
        }
    }
}
