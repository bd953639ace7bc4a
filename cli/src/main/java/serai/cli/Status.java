package serai.cli;

/**
 * Exit statuses of Serai itself: even numbers, so that none is taken for a guest's, which are 0 or odd (a guest that
 * writes {@code v} to the debug-exit port ends with {@code (v << 1) | 1}).
 */
final class Status {
    /** The guest powered itself off, or the command did what it should. */
    static final int OK = 0;
    /** Unknown options, bad values. */
    static final int USAGE = 2;
    /** The guest stopped abnormally. */
    static final int GUEST = 4;
    /** An image, kernel, initrd or disk was refused. */
    static final int INPUT = 6;
    /** This machine can't do it, or something failed here. */
    static final int HOST = 8;
    /** The time given by --timeout is over. */
    static final int TIMEOUT = 124;

    private Status() {}
}
