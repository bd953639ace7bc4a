package serai.machine.ahci;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import serai.machine.ahci.PacketCommands.Check;

/**
 * What a CD-ROM drive answers, whole; how much of it is asked for is the command's affair. Big-endian. A medium is a disc of one session with
 * one track of data: a CD, or a DVD if it has more than fits on a CD.
 */
final class PacketReplies {
    /** Blocks of a CD of 80 minutes, 75 a second. */
    private static final long CD_BLOCKS = 80 * 60 * 75;

    private static final int PROFILE_CD = 8, PROFILE_DVD = 0x10;
    private static final int LEAD_OUT = 0xaa, DATA_TRACK = 0x14; // ADR 1, control 4
    private static final int PREGAP = 150; // blocks of the two seconds before the first
    private static final int SPEED = 176 * 48; // kB/s
    private static final int DVD_FIRST = 0x30000;

    private PacketReplies() {}

    private static ByteBuffer buffer(int length) {
        return ByteBuffer.allocate(length);
    }

    /** SPC-3, 6.4.2. */
    static byte[] inquiry() {
        ByteBuffer b = buffer(36);
        b.put(0, (byte) 5).put(1, (byte) 0x80); // a CD-ROM device with media that can be taken out
        b.put(2, (byte) 5).put(3, (byte) 2).put(4, (byte) 31);
        b.put(8, "SERAI   CD-ROM          1.0 ".getBytes(StandardCharsets.US_ASCII));
        return b.array();
    }

    /** SPC-3, 4.5.3. */
    static byte[] sense(int sense) {
        ByteBuffer b = buffer(18);
        b.put(0, (byte) 0x70).put(2, (byte) (sense >>> 16)).put(7, (byte) 10);
        return b.putShort(12, (short) sense).array();
    }

    /** MMC-6, 6.20. */
    static byte[] capacity(long blocks) {
        return buffer(8).putInt((int) (blocks - 1)).putInt(CdDrive.BLOCK).array();
    }

    /** An address as minutes, seconds and frames; those past 255 minutes can't be said so. */
    private static int msf(long block) {
        long frames = Math.min(block + PREGAP, 256 * 60 * 75 - 1);
        return (int) (frames / 75 / 60 << 16 | frames / 75 % 60 << 8 | frames % 75);
    }

    /** MMC-6, 6.25. */
    static byte[] toc(Command c, long blocks) throws Check {
        boolean msf = (c.packet(1) & 2) != 0;
        int format = c.packet(2) & 0xf;
        format = format == 0 ? c.packet(9) >>> 6 : format; // where ATAPI's first revision had it
        int start = msf ? msf(0) : 0;
        switch (format) {
            case 0 -> {
                int from = c.packet(6);
                if (from > 1 && from != LEAD_OUT) {
                    throw new Check(PacketCommands.INVALID_FIELD);
                }
                ByteBuffer b = buffer(from == LEAD_OUT ? 12 : 20);
                b.putShort((short) (b.capacity() - 2)).put((byte) 1).put((byte) 1);
                if (from != LEAD_OUT) {
                    b.put((byte) 0)
                            .put((byte) DATA_TRACK)
                            .put((byte) 1)
                            .put((byte) 0)
                            .putInt(start);
                }
                b.put((byte) 0).put((byte) DATA_TRACK).put((byte) LEAD_OUT).put((byte) 0);
                return b.putInt(msf ? msf(blocks) : (int) blocks).array();
            }
            case 1 -> {
                ByteBuffer b = buffer(12);
                b.putShort((short) 10).put((byte) 1).put((byte) 1);
                b.put((byte) 0).put((byte) DATA_TRACK).put((byte) 1).put((byte) 0);
                return b.putInt(start).array();
            }
            case 2 -> {
                ByteBuffer b = buffer(4 + 4 * 11);
                b.putShort((short) (b.capacity() - 2)).put((byte) 1).put((byte) 1);
                point(b, 0xa0, 1 << 16); // the first track and the last
                point(b, 0xa1, 1 << 16);
                point(b, 0xa2, msf(blocks));
                point(b, 1, msf(0));
                return b.array();
            }
            default -> throw new Check(PacketCommands.INVALID_FIELD);
        }
    }

    private static void point(ByteBuffer b, int point, int address) {
        b.put((byte) 1).put((byte) DATA_TRACK).put((byte) 0).put((byte) point);
        b.put(new byte[3]).putInt(address);
    }

    /**
     * MMC-6, 6.5 and 5.3.
     *
     * @param which 0 all features, 1 those that are current, 2 the one that is asked for
     * @param from number of the first
     * @param blocks of the medium, or -1
     */
    static byte[] configuration(int which, int from, long blocks) throws Check {
        if (which == 3) {
            throw new Check(PacketCommands.INVALID_FIELD);
        }
        int profile = blocks < 0 ? 0 : blocks > CD_BLOCKS ? PROFILE_DVD : PROFILE_CD;
        boolean disc = profile != 0;
        Features f = new Features(which, from);
        f.add(0, 3, profile(PROFILE_DVD, profile), profile(PROFILE_CD, profile)); // profile list
        f.add(1, 0xb, new byte[] {0, 0, 0, 7, 0, 0, 0, 0}); // core: Serial ATAPI
        f.add(2, 7, new byte[4]); // morphing: events are told by GET EVENT STATUS NOTIFICATION
        f.add(3, 3, new byte[] {0x39, 0, 0, 0}); // removable: a tray that locks, opens and closes
        f.add(0x10, disc ? 1 : 0, new byte[] {0, 0, 8, 0, 0, 1, 1, 0}); // random readable
        f.add(0x1e, (profile == PROFILE_CD ? 1 : 0) | 8, new byte[4]); // CD read
        f.add(0x1f, profile == PROFILE_DVD ? 1 : 0, new byte[0]); // DVD read
        f.add(0x100, 3, new byte[0]); // power management
        f.add(0x105, 3, new byte[0]); // time-out
        return f.finish(profile);
    }

    private static byte[] profile(int number, int current) {
        return new byte[] {0, (byte) number, (byte) (number == current ? 1 : 0), 0};
    }

    private static final class Features {
        private final int which;
        private final int from;
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        Features(int which, int from) {
            this.which = which;
            this.from = from;
        }

        /** One of them; {@code flags}: version 5:2, persistent, current. */
        void add(int number, int flags, byte[]... parts) {
            boolean wanted = which == 2 ? number == from : number >= from && (which == 0 || (flags & 1) != 0);
            if (wanted) {
                int length = 0;
                for (byte[] p : parts) {
                    length += p.length;
                }
                out.writeBytes(new byte[] {(byte) (number >>> 8), (byte) number, (byte) flags, (byte) length});
                for (byte[] p : parts) {
                    out.writeBytes(p);
                }
            }
        }

        byte[] finish(int profile) {
            ByteBuffer b = buffer(8 + out.size());
            b.putInt(4 + out.size()).putShort((short) 0).putShort((short) profile);
            return b.put(out.toByteArray()).array();
        }
    }

    /** MMC-6, 6.6: there is none of the class asked for, but such of media. */
    static byte[] noEvent() {
        return new byte[] {0, 2, (byte) 0x80, 0x10};
    }

    static byte[] mediaEvent(int code, boolean open, boolean present) {
        return new byte[] {0, 6, 4, 0x10, (byte) code, (byte) ((open ? 1 : 0) | (present ? 2 : 0)), 0, 0};
    }

    /** MMC-6, 6.21: a disc that is complete. */
    static byte[] discInformation() {
        ByteBuffer b = buffer(34);
        b.putShort(0, (short) 32).put(2, (byte) 0xe);
        return b.put(3, (byte) 1)
                .put(4, (byte) 1)
                .put(5, (byte) 1)
                .put(6, (byte) 1)
                .put(7, (byte) 0x20)
                .array();
    }

    /** MMC-6, 6.26: of the only track, by an address in it, its number, or its session's. */
    static byte[] track(Command c, long blocks) throws Check {
        long n = c.packet32(2);
        boolean known =
                switch (c.packet(1) & 3) {
                    case 0 -> n < blocks;
                    case 1, 2 -> n == 1;
                    default -> false;
                };
        if (!known) {
            throw new Check(PacketCommands.INVALID_FIELD);
        }
        ByteBuffer b = buffer(36);
        b.putShort(0, (short) 34).put(2, (byte) 1).put(3, (byte) 1);
        b.put(5, (byte) 4).put(6, (byte) 1); // uninterrupted data, mode 1
        return b.putInt(24, (int) blocks).array();
    }

    /**
     * MMC-6, 6.10 and 7; SPC-3, 6.10.
     *
     * @param page and which values: now, those that can be changed, or the defaults
     */
    static byte[] modes(int page, boolean locked) throws Check {
        int values = page >>> 6;
        int wanted = page & 0x3f;
        if (values == 3) {
            throw new Check(PacketCommands.NO_SAVED_VALUES);
        }
        byte[] recovery = {1, 6, 0, 5, 0, 0, 0, 0};
        ByteBuffer capabilities = buffer(22);
        capabilities.put((byte) 0x2a).put((byte) 20);
        capabilities.put((byte) 0xb).put((byte) 0); // reads CD-R, CD-RW and DVD-ROM; writes nothing
        capabilities.put((byte) 0x70).put((byte) 0); // sessions, mode 2 forms 1 and 2
        capabilities.put((byte) (0x29 | (locked ? 2 : 0))).put((byte) 0); // a tray, which opens and locks
        capabilities
                .putShort((short) SPEED)
                .putShort((short) 0)
                .putShort((short) 512)
                .putShort((short) SPEED);
        if (wanted != 1 && wanted != 0x2a && wanted != 0x3f) {
            throw new Check(PacketCommands.INVALID_FIELD);
        }
        ByteBuffer b = buffer(8 + (wanted != 0x2a ? recovery.length : 0) + (wanted != 1 ? capabilities.capacity() : 0));
        b.putShort((short) (b.capacity() - 2)).position(8);
        for (byte[] p : new byte[][] {recovery, capabilities.array()}) {
            if (wanted == 0x3f || wanted == p[0]) {
                // none can be changed
                b.put(values == 1 ? java.util.Arrays.copyOf(java.util.Arrays.copyOf(p, 2), p.length) : p);
            }
        }
        return b.array();
    }

    /** MMC-6, 6.22: the physical format (6.22.3.2.1) and what copying is allowed (6.22.3.2.2). */
    static byte[] dvd(int format, int layer, long blocks) throws Check {
        if (blocks <= CD_BLOCKS) {
            throw new Check(PacketCommands.WRONG_FORMAT);
        }
        if (layer != 0 || format > 1) {
            throw new Check(PacketCommands.INVALID_FIELD);
        }
        if (format == 1) {
            return buffer(8).putShort((short) 6).array();
        }
        ByteBuffer b = buffer(4 + 2048).putShort((short) 2050);
        b.put(4, (byte) 1).put(5, (byte) 0xf).put(6, (byte) 1); // DVD-ROM, 120 mm, a layer
        b.putInt(8, DVD_FIRST).putInt(12, (int) Math.min(0xffffff, DVD_FIRST + blocks - 1));
        return b.array();
    }

    /** MMC-6, 6.9. */
    static byte[] mechanism(boolean open) {
        return new byte[] {0, (byte) (open ? 0x10 : 0), 0, 0, 0, 0, 0, 0};
    }
}
