package serai.machine.ahci;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import serai.machine.disk.Disk;
import serai.machine.disk.DiskGate;

/**
 * A CD-ROM drive with ATAPI: a tray, what lies in it, and a lock that the guest puts on the tray.
 *
 * <p>The host moves the tray and changes the medium, the guest may move the tray, too. A medium in an open tray is there for nobody; closing
 * it lets the guest find a new medium. All with the machine lock held.
 */
public final class CdDrive extends SataDevice {
    /** Bytes of a block. */
    public static final int BLOCK = 2048;
    /** Blocks of a medium at most, as their numbers have 32 bits. */
    public static final long MAX_BLOCKS = 0xffffffffL;

    private static final int PACKET = 0xa0, IDENTIFY_PACKET = 0xa1, IDENTIFY = 0xec, READ_SECTORS = 0x20;
    private static final int DEVICE_RESET = 8, DIAGNOSE = 0x90, SET_FEATURES = 0xef, POWER_MODE = 0xe5;
    private static final int STANDBY_NOW = 0xe0, IDLE_NOW = 0xe1, STANDBY = 0xe2, IDLE = 0xe3, SLEEP = 0xe6;
    private static final int SET_TRANSFER_MODE = 3, ACTIVE = 0xff, DEFAULT_MODE = 0x45;

    private final String id;
    private final PacketCommands commands = new PacketCommands(this);
    private final MediumGate gate = new MediumGate();
    private @Nullable Disk medium;
    private boolean open;
    private boolean locked;
    private int transferMode = DEFAULT_MODE;
    private Consumer<Boolean> moved = isOpen -> {};

    /**
     * A drive, its tray closed.
     *
     * @param id its serial number, ASCII
     * @param medium of at least {@link #BLOCK} bytes and at most {@link #MAX_BLOCKS} blocks; null for none
     */
    public CdDrive(String id, @Nullable Disk medium) {
        this.id = id;
        put(medium);
    }

    private void put(@Nullable Disk disk) {
        medium = disk;
        gate.medium(disk);
    }

    // ---- what the host does ----

    /** Who is told that the tray is open now, or is closed. */
    public void onMoved(Consumer<Boolean> action) {
        moved = action;
    }

    /** Whether the tray is open. */
    public boolean isOpen() {
        return open;
    }

    /** Whether the guest keeps it closed. */
    public boolean isLocked() {
        return locked;
    }

    /** Whether a medium lies in the tray, be that open or closed. */
    public boolean hasMedium() {
        return medium != null;
    }

    /**
     * Opens the tray; what is read from it fails. If the guest has locked it, the guest is asked instead, as by the button of a drive.
     *
     * @param force opens it although it is locked
     * @return whether it is open
     */
    public boolean open(boolean force) {
        if (!open && locked && !force) {
            commands.requestEject();
            return false;
        }
        locked &= !force;
        move(true);
        return true;
    }

    /** Closes the tray. */
    public void close() {
        move(false);
    }

    /**
     * Takes out the medium, if there is one.
     *
     * @throws IllegalStateException if the tray is closed
     */
    public void remove() {
        checkOpen();
        put(null);
    }

    /**
     * Puts in a medium.
     *
     * @throws IllegalStateException if the tray is closed, or one lies in it
     */
    public void insert(Disk disk) {
        checkOpen();
        if (medium != null) {
            throw new IllegalStateException("there is a medium in the tray");
        }
        put(disk);
    }

    private void checkOpen() {
        if (!open) {
            throw new IllegalStateException("the tray is closed");
        }
    }

    // ---- the drive ----

    /** The medium that can be read now, or null. */
    @Nullable
    Disk readable() {
        return open ? null : medium;
    }

    void lock(boolean on) {
        locked = on;
    }

    void move(boolean toOpen) {
        if (open == toOpen) {
            return;
        }
        open = toOpen;
        commands.moved(toOpen, medium != null);
        if (toOpen) {
            end(commands.noMedium());
        }
        moved.accept(toOpen);
    }

    @Override
    int signature() {
        return 0xeb140101;
    }

    @Override
    int statusAfterReset() {
        return 0;
    }

    @Override
    DiskGate gate() {
        return gate;
    }

    @Override
    String id() {
        return id;
    }

    @Override
    void reset(boolean hard) {
        commands.reset(hard);
        if (hard) {
            locked = false;
            transferMode = DEFAULT_MODE;
        }
    }

    @Override
    Result execute(Command c) {
        return switch (c.opcode()) {
            case PACKET -> commands.execute(c);
            case IDENTIFY_PACKET -> {
                byte[] data = Identify.drive(id, transferMode);
                var b = c.buffers(memory(), data.length, true);
                b.put(data);
                yield Result.Done.pioIn(b.bytes()).withOverflow(b.bytes() < data.length);
            }
            // which is how a driver of disks finds out that this is none (ACS-3, 9.2.2)
            case IDENTIFY, READ_SECTORS -> signed(Result.READY | Result.ERROR).withError(Result.ABORTED);
            case DEVICE_RESET -> {
                commands.reset(false);
                yield signed(0);
            }
            case DIAGNOSE -> signed(0);
            case SET_FEATURES -> {
                int mode = c.count() & 0xff;
                if ((c.features() & 0xff) != SET_TRANSFER_MODE) {
                    yield Result.Done.aborted();
                }
                transferMode = mode;
                yield Result.Done.good();
            }
            case STANDBY_NOW, IDLE_NOW, STANDBY, IDLE, SLEEP -> Result.Done.good();
            case POWER_MODE -> new Result.Done(Result.READY, 0, ACTIVE, 0, 0, 0, false, false, false);
            default -> Result.Done.aborted();
        };
    }

    @Override
    long[] save() {
        long[] w = commands.save();
        w[PacketCommands.MEDIUM] = mediumNumber();
        w[0] = (open ? 1 : 0) | (locked ? 2 : 0) | (medium != null ? 4 : 0) | transferMode << 8;
        return w;
    }

    /** Tells media apart, within a run. */
    private long mediumNumber() {
        return medium == null ? 0 : 1L << 32 | medium.id().hashCode() & 0xffffffffL;
    }

    /** {@inheritDoc} A medium that was taken out can't be had back. */
    @Override
    boolean fits(long[] w) {
        return w[PacketCommands.MEDIUM] == mediumNumber();
    }

    /** {@inheritDoc} The medium is the host's, who gives the one that was there. One that was not is put away. */
    @Override
    void restore(long[] w) {
        if (w.length != PacketCommands.WORDS) {
            throw new IllegalArgumentException("the state is not of a CD-ROM drive");
        }
        if ((w[0] & 4) != 0 && medium == null) {
            throw new IllegalArgumentException("there was a medium in drive " + id + ", and now there is none");
        }
        open = (w[0] & 1) != 0;
        locked = (w[0] & 2) != 0;
        put((w[0] & 4) != 0 ? medium : null);
        transferMode = (int) (w[0] >>> 8) & 0xff;
        commands.restore(w);
    }
}
