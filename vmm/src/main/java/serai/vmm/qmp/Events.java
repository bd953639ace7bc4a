package serai.vmm.qmp;

import tools.jackson.databind.node.ObjectNode;

/** Where events go. From any thread, with locks held or not: it never waits for a client. */
@FunctionalInterface
public interface Events {
    /**
     * Tells all clients.
     *
     * @param name QEMU's, such as {@code RESET}
     * @param data of the event, or empty for none
     */
    void tell(String name, ObjectNode data);
}
