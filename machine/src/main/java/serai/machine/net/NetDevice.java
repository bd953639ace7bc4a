package serai.machine.net;

/** A network interface as its host sees it, whatever the guest takes it for. All is called with the machine lock held. */
public interface NetDevice {
    /** The hardware address that the guest uses: the one that it was given, or that it has set since. */
    byte[] mac();

    /** Whether the cable is plugged in. */
    boolean link();

    /** Plugs the cable in or out, and tells the guest. Without it all frames are dropped, both ways. A reset leaves it as it is. */
    void setLink(boolean up);

    /** What has gone through it since it was made. */
    NetCounters counters();
}
