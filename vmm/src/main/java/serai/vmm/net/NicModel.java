package serai.vmm.net;

/** What a network interface is for the guest. */
public enum NicModel {
    /** QEMU's virtio-net-pci. */
    VIRTIO,
    /** Intel's 82540EM. */
    E1000
}
