package serai.machine.pci;

/** q35's host bridge, which firmware looks for. */
public final class HostBridge extends PciFunction<PciState> {
    /** In its power-on state. */
    public HostBridge() {
        super("host-bridge", 0x8086, 0x29c0, 2, 0x060000, 0x1af4, 0x1100, 0);
    }

    @Override
    protected long readBar(int bar, long offset, int size) {
        return -1;
    }

    @Override
    protected void writeBar(int bar, long offset, int size, long value) {}

    @Override
    public void reset() {
        resetPci();
    }

    @Override
    public PciState save() {
        return savePci();
    }

    @Override
    public void restore(PciState state) {
        restorePci(state);
    }

    @Override
    public Class<PciState> stateType() {
        return PciState.class;
    }
}
