package serai.machine.pci;

/** The ICH9's LPC bridge. */
public final class LpcBridge extends PciFunction<PciState> {
    /** In its power-on state. */
    public LpcBridge() {
        super("lpc", 0x8086, 0x2918, 2, 0x060100, 0x1af4, 0x1100, 0);
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
