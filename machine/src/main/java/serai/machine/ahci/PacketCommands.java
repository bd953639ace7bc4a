package serai.machine.ahci;

import serai.machine.disk.Demand;
import serai.machine.disk.Disk;
import serai.machine.disk.GuestBuffers;

/**
 * A CD-ROM drive's commands: MMC-6, and what of SPC-3 that asks for. They come in packets of 12 bytes.
 *
 * <p>A command that is refused says why by its sense (key, code, qualifier), which REQUEST SENSE tells.
 */
final class PacketCommands {
    /** Of the state: the drive's own first, then attention, events and sense; last which medium there is. */
    static final int WORDS = 5;

    static final int MEDIUM = 4;

    private static final int TEST_UNIT_READY = 0, REQUEST_SENSE = 3, INQUIRY = 0x12, START_STOP = 0x1b, PREVENT = 0x1e;
    private static final int READ_CAPACITY = 0x25, READ_10 = 0x28, SEEK = 0x2b, READ_TOC = 0x43;
    private static final int GET_CONFIGURATION = 0x46, GET_EVENT = 0x4a, READ_DISC_INFORMATION = 0x51;
    private static final int READ_TRACK_INFORMATION = 0x52, MODE_SENSE_10 = 0x5a, READ_12 = 0xa8;
    private static final int READ_DVD_STRUCTURE = 0xad, SET_CD_SPEED = 0xbb, MECHANISM_STATUS = 0xbd, READ_CD = 0xbe;

    // sense: key, code, qualifier
    private static final int NONE = 0;
    private static final int NO_MEDIUM_CLOSED = 0x023a01, NO_MEDIUM_OPEN = 0x023a02, UNREADABLE = 0x031100;
    static final int INVALID_COMMAND = 0x052000, OUT_OF_RANGE = 0x052100, INVALID_FIELD = 0x052400;
    static final int NO_SAVED_VALUES = 0x053900, WRONG_FORMAT = 0x053002;
    private static final int REMOVAL_PREVENTED = 0x055302;
    private static final int MEDIUM_CHANGED = 0x062800, WAS_RESET = 0x062900;

    /** Events of the media class (MMC-6, 6.6): bits by their codes. */
    private static final int EJECT_REQUEST = 1, NEW_MEDIUM = 2, MEDIUM_REMOVED = 3;

    /** In the count register at the end of a command (ACS-3, 7.18): to the host, a command. */
    private static final int COMPLETE = 3;

    /** Blocks of one command at most: 64 MiB. */
    private static final int MAX_BLOCKS = 32768;

    private final CdDrive drive;
    private boolean attentionReset;
    private boolean attentionMedium;
    private int events;
    private int sense;

    PacketCommands(CdDrive drive) {
        this.drive = drive;
    }

    /** A command that is refused. */
    static final class Check extends Exception {
        private static final long serialVersionUID = 1L;

        final int sense;

        Check(int sense) {
            super(Integer.toHexString(sense), null, false, false);
            this.sense = sense;
        }
    }

    // ---- what happens to the drive ----

    void requestEject() {
        events |= 1 << EJECT_REQUEST;
    }

    void moved(boolean open, boolean medium) {
        events &= ~(1 << EJECT_REQUEST);
        if (medium && open) {
            events = events & ~(1 << NEW_MEDIUM) | 1 << MEDIUM_REMOVED;
        } else if (medium) {
            events |= 1 << NEW_MEDIUM;
            attentionMedium = true;
        }
    }

    /** What becomes of a command under way when the tray opens. */
    Result.Done noMedium() {
        return check(NO_MEDIUM_OPEN);
    }

    void reset(boolean hard) {
        sense = NONE;
        if (hard) {
            events = 0;
            attentionReset = true;
            attentionMedium = false;
        }
    }

    private Result.Done check(int why) {
        sense = why;
        int error = why >>> 16 << 4 | (why >>> 16 == 5 ? Result.ABORTED : 0);
        return new Result.Done(Result.READY | Result.ERROR, error, COMPLETE, 0, 0, 0, false, false, false);
    }

    private static Result.Done done(long bytes, boolean pio, boolean overflow) {
        return new Result.Done(Result.READY, 0, COMPLETE, 0, 0, bytes, pio, false, overflow);
    }

    // ---- commands ----

    Result execute(Command c) {
        int opcode = c.packet(0);
        try {
            switch (opcode) {
                case INQUIRY, GET_CONFIGURATION, GET_EVENT, REQUEST_SENSE -> {}
                default -> attention();
            }
            if (opcode == REQUEST_SENSE) {
                return requestSense(c);
            }
            sense = NONE;
            return command(c, opcode);
        } catch (Check e) {
            return check(e.sense);
        }
    }

    /** SAM-3, 5.9.4. */
    private void attention() throws Check {
        int pending = pendingAttention();
        if (pending != NONE) {
            throw new Check(pending);
        }
    }

    private int pendingAttention() {
        if (attentionReset) {
            attentionReset = false;
            return WAS_RESET;
        }
        boolean changed = attentionMedium;
        attentionMedium = false;
        return changed ? MEDIUM_CHANGED : NONE;
    }

    private Result command(Command c, int opcode) throws Check {
        return switch (opcode) {
            case TEST_UNIT_READY -> {
                medium();
                yield none();
            }
            case INQUIRY -> {
                if ((c.packet(1) & 1) != 0 || c.packet(2) != 0) {
                    throw new Check(INVALID_FIELD);
                }
                yield data(c, PacketReplies.inquiry(), c.packet16(3));
            }
            case START_STOP -> startStop(c.packet(4));
            case PREVENT -> {
                drive.lock((c.packet(4) & 1) != 0);
                yield none();
            }
            case READ_CAPACITY -> data(c, PacketReplies.capacity(blocks()), 8);
            case READ_10 -> read(c, c.packet32(2), c.packet16(7));
            case READ_12 -> read(c, c.packet32(2), c.packet32(6));
            case READ_CD -> readCd(c);
            case SEEK -> {
                if (c.packet32(2) >= blocks()) {
                    throw new Check(OUT_OF_RANGE);
                }
                yield none();
            }
            case READ_TOC -> data(c, PacketReplies.toc(c, blocks()), c.packet16(7));
            case GET_CONFIGURATION -> {
                Disk m = drive.readable();
                long n = m == null ? -1 : m.sectors() / 4;
                yield data(c, PacketReplies.configuration(c.packet(1) & 3, c.packet16(2), n), c.packet16(7));
            }
            case GET_EVENT -> event(c);
            case READ_DISC_INFORMATION -> {
                medium();
                if ((c.packet(1) & 7) != 0) {
                    throw new Check(INVALID_FIELD);
                }
                yield data(c, PacketReplies.discInformation(), c.packet16(7));
            }
            case READ_TRACK_INFORMATION -> data(c, PacketReplies.track(c, blocks()), c.packet16(7));
            case MODE_SENSE_10 -> data(c, PacketReplies.modes(c.packet(2), drive.isLocked()), c.packet16(7));
            case READ_DVD_STRUCTURE -> data(c, PacketReplies.dvd(c.packet(7), c.packet(6), blocks()), c.packet16(8));
            case SET_CD_SPEED -> none();
            case MECHANISM_STATUS -> data(c, PacketReplies.mechanism(drive.isOpen()), c.packet16(8));
            default -> throw new Check(INVALID_COMMAND);
        };
    }

    private static Result none() {
        return done(0, false, false);
    }

    /** A reply, as far as the driver asks for it. It has room for as much, or it is told. */
    private Result data(Command c, byte[] reply, int length) {
        int n = Math.min(reply.length, length);
        GuestBuffers b = c.buffers(drive.memory(), n, true);
        b.put(reply);
        return done(b.bytes(), n > 0 && isPio(c), b.bytes() < n);
    }

    private static boolean isPio(Command c) {
        return (c.features() & 1) == 0;
    }

    private Disk medium() throws Check {
        Disk m = drive.readable();
        if (m == null) {
            throw new Check(drive.isOpen() ? NO_MEDIUM_OPEN : NO_MEDIUM_CLOSED);
        }
        return m;
    }

    private long blocks() throws Check {
        return medium().sectors() / 4;
    }

    private Result read(Command c, long first, long count) throws Check {
        Disk m = medium();
        if (count > m.sectors() / 4 - first) {
            throw new Check(OUT_OF_RANGE);
        }
        if (count > MAX_BLOCKS) {
            throw new Check(INVALID_FIELD);
        }
        if (count == 0) {
            return none();
        }
        long bytes = count * CdDrive.BLOCK;
        GuestBuffers b = c.buffers(drive.memory(), bytes, true);
        if (b.bytes() < bytes) {
            throw new Check(INVALID_FIELD); // no room for it
        }
        return new Result.Work(
                Demand.Kind.READ,
                bytes,
                () -> b.transfer(m, first * CdDrive.BLOCK),
                b,
                failure -> failure != null ? check(UNREADABLE) : done(bytes, isPio(c), false));
    }

    /** MMC-6, 6.15: of a block the data alone, or nothing. */
    private Result readCd(Command c) throws Check {
        int type = c.packet(1) >>> 2 & 7;
        int parts = c.packet(9) & 0xf8;
        long count = (long) c.packet(6) << 16 | c.packet16(7);
        if (type != 0 && type != 2 || parts != 0 && parts != 0x10 || (c.packet(10) & 7) != 0) {
            throw new Check(INVALID_FIELD);
        }
        medium();
        return parts == 0 ? none() : read(c, c.packet32(2), count);
    }

    /** SPC-3, 6.27: with what is pending, or what the last command has said. */
    private Result requestSense(Command c) {
        int told = pendingAttention();
        byte[] b = PacketReplies.sense(told != NONE ? told : sense);
        sense = NONE;
        return data(c, b, c.packet(4));
    }

    /** MMC-6, 6.42. */
    private Result startStop(int what) throws Check {
        if ((what & 0xf0) == 0 && (what & 2) != 0) {
            boolean open = (what & 1) == 0;
            if (open && drive.isLocked() && !drive.isOpen()) {
                throw new Check(REMOVAL_PREVENTED);
            }
            drive.move(open);
        }
        return none();
    }

    /** MMC-6, 6.6. */
    private Result event(Command c) throws Check {
        if ((c.packet(1) & 1) == 0) {
            throw new Check(INVALID_FIELD); // there are no events that wait
        }
        if ((c.packet(4) & 0x10) == 0) {
            return data(c, PacketReplies.noEvent(), c.packet16(7));
        }
        int code = 0;
        for (int e : new int[] {MEDIUM_REMOVED, NEW_MEDIUM, EJECT_REQUEST}) {
            if (code == 0 && (events & 1 << e) != 0) {
                code = e;
            }
        }
        if (c.packet16(7) > 4) { // else it is not told
            events &= ~(1 << code);
        }
        return data(c, PacketReplies.mediaEvent(code, drive.isOpen(), drive.readable() != null), c.packet16(7));
    }

    // ---- state ----

    long[] save() {
        return new long[] {0, (attentionReset ? 1 : 0) | (attentionMedium ? 2 : 0), events, sense, 0};
    }

    void restore(long[] w) {
        attentionReset = (w[1] & 1) != 0;
        attentionMedium = (w[1] & 2) != 0;
        events = (int) w[2] & (2 << MEDIUM_REMOVED) - 1;
        sense = (int) w[3] & 0xffffff;
    }
}
