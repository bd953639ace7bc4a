package serai.vmm.net;

/** What a network interface is for the guest. */
public enum NicModel {
    VIRTIO("virtio-net-pci"),
    E1000("e1000");

    private final String driver;

    NicModel(String driver) {
        this.driver = driver;
    }

    /** QEMU's name of it. */
    public String driver() {
        return driver;
    }
}
