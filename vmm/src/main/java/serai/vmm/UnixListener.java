package serai.vmm;

import java.io.IOException;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Path;
import serai.network.stream.UnixSockets;

/** Unix sockets that are listened at: one that a dead process has left is replaced, nothing else is. */
final class UnixListener {
    private UnixListener() {}

    /**
     * Listens.
     *
     * @param what that is for, as a sentence begins with it
     * @throws VmmException if the path can't be had
     */
    static ServerSocketChannel listen(String what, Path path) throws VmmException {
        try {
            return UnixSockets.listen(path);
        } catch (IOException e) {
            throw new VmmException(
                    VmmException.HOST, "%s can't listen at %s: %s".formatted(what, path, Reasons.of(e)), e);
        }
    }
}
