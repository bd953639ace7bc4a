package serai.cpu;

/** The node of an instruction that is too rare, or too simple, for a class of its own. */
final class Simple extends Node {
    /** What it does. */
    @FunctionalInterface
    interface Action {
        void run(Cpu c);
    }

    private final Action action;

    Simple(Action action) {
        this.action = action;
    }

    @Override
    void execute(Cpu c) {
        action.run(c);
    }
}
