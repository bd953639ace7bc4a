package serai.kvm;

import java.util.TreeSet;
import serai.machine.engine.InterruptSource;

/** An interrupt controller of a set of waiting vectors. */
final class FakeInterrupts implements InterruptSource {
    private final TreeSet<Integer> waiting = new TreeSet<>();
    private Runnable listener = () -> {};
    private boolean nmi;
    private boolean init;
    private int startup = -1;
    private int taskPriority;

    void raise(int vector) {
        synchronized (this) {
            waiting.add(vector);
        }
        listener.run();
    }

    void raiseNmi() {
        synchronized (this) {
            nmi = true;
        }
        listener.run();
    }

    void raiseInit() {
        synchronized (this) {
            init = true;
        }
        listener.run();
    }

    synchronized void startup(int vector) {
        startup = vector;
    }

    @Override
    public synchronized boolean pending() {
        return nmi || init || startup >= 0 || externalPending();
    }

    @Override
    public synchronized boolean externalPending() {
        return !waiting.isEmpty() && waiting.last() >> 4 > taskPriority;
    }

    @Override
    public synchronized int acknowledge() {
        return externalPending() ? waiting.removeLast() : -1;
    }

    @Override
    public synchronized boolean takeNmi() {
        boolean b = nmi;
        nmi = false;
        return b;
    }

    @Override
    public synchronized boolean takeInit() {
        boolean b = init;
        init = false;
        return b;
    }

    @Override
    public synchronized int takeStartup() {
        int v = startup;
        startup = -1;
        return v;
    }

    @Override
    public synchronized int taskPriority() {
        return taskPriority;
    }

    @Override
    public synchronized void taskPriority(int priority) {
        taskPriority = priority;
    }

    @Override
    public void onPending(Runnable action) {
        listener = action;
    }
}
