package serai.machine.virtio;

import org.jspecify.annotations.Nullable;

/** Who takes connections that the guest makes to the host. */
@FunctionalInterface
public interface VsockHost {
    /**
     * The guest wants a connection. With the machine lock held; must not wait for anybody.
     *
     * @param c to be accepted or reset later, to which port {@link VirtioVsock.Connection#hostPort} says
     * @return the host's end, or null to refuse
     */
    @Nullable
    VsockEnd connect(VirtioVsock.Connection c);
}
