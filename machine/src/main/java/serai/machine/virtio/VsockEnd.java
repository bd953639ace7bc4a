package serai.machine.virtio;

/** The host's end of a connection of {@link VirtioVsock}. All is called with the machine lock held, and must not wait for anybody. */
public interface VsockEnd {
    /** Bytes of the guest's that it takes before it says that it has {@link VirtioVsock.Connection#taken} some: 1 to {@link VirtioVsock#BUFFER}. */
    int buffer();

    /** The guest has accepted the connection that the host asked for. */
    void established();

    /** Bytes from the guest, never more than {@link #buffer} that are not taken. */
    void receive(byte[] bytes);

    /** The guest sends no more. */
    void guestFinished();

    /** There is {@link VirtioVsock.Connection#room} again. */
    void ready();

    /** The connection is over. What was received before it still is. */
    void closed();
}
