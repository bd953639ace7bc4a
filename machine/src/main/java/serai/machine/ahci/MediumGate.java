package serai.machine.ahci;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import serai.machine.disk.Demand;
import serai.machine.disk.Disk;
import serai.machine.disk.DiskGate;

/** The gate of whatever medium lies in a drive; it changes only while no request is under way. */
final class MediumGate implements DiskGate {
    private volatile DiskGate gate = OPEN;
    private Runnable retry = () -> {};

    /** Another medium, or none. */
    void medium(@Nullable Disk disk) {
        gate = disk == null ? OPEN : disk.gate();
        gate.onRetry(retry);
    }

    @Override
    public Runnable admit(Demand demand, Runnable begin) {
        return gate.admit(demand, begin);
    }

    @Override
    public void began(Object request, Demand demand) {
        gate.began(request, demand);
    }

    @Override
    public void ended(Object request) {
        gate.ended(request);
    }

    @Override
    public Verdict failed(Object request, Demand demand, IOException failure) {
        return gate.failed(request, demand, failure);
    }

    @Override
    public void settled(Object request) {
        gate.settled(request);
    }

    @Override
    public void onRetry(Runnable action) {
        retry = action;
        gate.onRetry(action);
    }
}
