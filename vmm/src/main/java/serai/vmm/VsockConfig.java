package serai.vmm;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import serai.machine.virtio.VirtioVsock;

/**
 * The socket device, as the word says: {@code vsock=PATH[,cid=N]}.
 *
 * @param path the Unix socket at which programs of the host ask for a connection, and what those begin with at which they wait for one
 * @param cid the guest's address
 */
public record VsockConfig(Path path, long cid) {
    private static final String CID = ",cid=";

    static final class Group implements WordGroup {
        private @Nullable VsockConfig vsock;

        @Override
        public boolean take(String key, String v) throws VmmException {
            if (!key.equals("vsock")) {
                return false;
            }
            int at = v.lastIndexOf(CID); // what else has a comma is the file's name
            long cid = at < 0
                    ? VirtioVsock.FIRST_CID
                    : Words.number("cid", v.substring(at + CID.length()), VirtioVsock.FIRST_CID, 0xffff_fffeL);
            vsock = new VsockConfig(Words.path(key, at < 0 ? v : v.substring(0, at)), cid);
            return true;
        }

        @Nullable
        VsockConfig finish() {
            return vsock;
        }
    }
}
