package serai.machine.ahci;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;
import serai.machine.disk.Demand;
import serai.machine.disk.Disk;
import serai.machine.disk.DiskGate;
import serai.machine.disk.DiskRequests;
import serai.machine.disk.GuestBuffers;

/**
 * A disk with the ATA command set (ACS-3): the mandatory features, 48-bit addresses, queuing, TRIM, and the log of queued errors.
 *
 * <p>ATA has no words for a disk that can't be written: writes to one are aborted.
 */
public final class AtaDisk extends SataDevice {
    private static final int READ_SECTORS = 0x20,
            READ_SECTORS_EXT = 0x24,
            READ_MULTIPLE = 0xc4,
            READ_MULTIPLE_EXT = 0x29;
    private static final int READ_DMA = 0xc8, READ_DMA_EXT = 0x25, READ_QUEUED = 0x60;
    private static final int WRITE_SECTORS = 0x30, WRITE_SECTORS_EXT = 0x34, WRITE_MULTIPLE = 0xc5;
    private static final int WRITE_MULTIPLE_EXT = 0x39, WRITE_MULTIPLE_FUA_EXT = 0xce;
    private static final int WRITE_DMA = 0xca, WRITE_DMA_EXT = 0x35, WRITE_DMA_FUA_EXT = 0x3d, WRITE_QUEUED = 0x61;
    private static final int VERIFY = 0x40, VERIFY_EXT = 0x42, FLUSH = 0xe7, FLUSH_EXT = 0xea, TRIM = 6;
    private static final int IDENTIFY = 0xec, SET_FEATURES = 0xef, SET_MULTIPLE = 0xc6, READ_LOG = 0x2f;
    private static final int STANDBY_NOW = 0xe0, IDLE_NOW = 0xe1, STANDBY = 0xe2, IDLE = 0xe3, SLEEP = 0xe6;
    private static final int POWER_MODE = 0xe5, DIAGNOSE = 0x90;
    private static final int SECTOR = 512, LBA = 0x40, FUA = 0x80, ACTIVE = 0xff, RANGES_IN_BLOCK = 64;
    private static final int DIRECTORY = 0, QUEUED_ERRORS = 0x10;
    private static final int DEFAULT_MODE = 0x45; // Ultra DMA 5

    private final Disk disk;
    private boolean writeCache;
    private boolean lookAhead;
    private int multiple;
    private int transferMode;
    /** What the log of queued errors tells: tag, error and LBA; no error if that is 0. */
    private int failedTag;

    private int failedError;
    private long failedLba;

    /** On a disk. */
    public AtaDisk(Disk disk) {
        this.disk = disk;
        reset(true);
    }

    @Override
    int signature() {
        return 0x101;
    }

    @Override
    int statusAfterReset() {
        return Result.READY;
    }

    @Override
    String id() {
        return disk.id();
    }

    @Override
    DiskGate gate() {
        return disk.gate();
    }

    @Override
    void reset(boolean hard) {
        failedTag = 0;
        failedError = 0;
        failedLba = 0;
        if (hard) {
            writeCache = true;
            lookAhead = true;
            multiple = 0;
            transferMode = DEFAULT_MODE;
        }
    }

    @Override
    Result execute(Command c) {
        int opcode = c.opcode();
        return switch (opcode) {
            case READ_SECTORS, READ_MULTIPLE, READ_DMA, WRITE_SECTORS, WRITE_MULTIPLE, WRITE_DMA, VERIFY ->
                (c.device() & LBA) == 0 ? Result.Done.aborted() : transfer(c, c.lba28(), c.sectors28());
            case READ_SECTORS_EXT,
                    READ_MULTIPLE_EXT,
                    READ_DMA_EXT,
                    WRITE_SECTORS_EXT,
                    WRITE_MULTIPLE_EXT,
                    WRITE_MULTIPLE_FUA_EXT,
                    WRITE_DMA_EXT,
                    WRITE_DMA_FUA_EXT,
                    VERIFY_EXT -> transfer(c, c.lba48(), c.sectors48());
            case READ_QUEUED, WRITE_QUEUED -> transfer(c, c.lba48(), c.queuedSectors());
            case FLUSH, FLUSH_EXT, STANDBY_NOW, STANDBY, SLEEP -> flush();
            case TRIM -> trim(c);
            case IDENTIFY ->
                pioIn(c, Identify.disk(disk.id(), disk.sectors(), transferMode, multiple, writeCache, lookAhead));
            case READ_LOG -> log(c);
            case SET_FEATURES -> setFeatures(c);
            case SET_MULTIPLE -> {
                int n = c.count() & 0xff;
                if (n > Identify.MAX_MULTIPLE || Integer.bitCount(n) > 1) {
                    yield Result.Done.aborted();
                }
                multiple = n;
                yield Result.Done.good();
            }
            case IDLE_NOW, IDLE -> Result.Done.good();
            case POWER_MODE -> new Result.Done(Result.READY, 0, ACTIVE, 0, 0, 0, false, false, false);
            case DIAGNOSE -> signed(Result.READY);
            default -> Result.Done.aborted();
        };
    }

    private static boolean isPio(int opcode) {
        return switch (opcode) {
            case READ_SECTORS,
                    READ_SECTORS_EXT,
                    READ_MULTIPLE,
                    READ_MULTIPLE_EXT,
                    WRITE_SECTORS,
                    WRITE_SECTORS_EXT,
                    WRITE_MULTIPLE,
                    WRITE_MULTIPLE_EXT,
                    WRITE_MULTIPLE_FUA_EXT -> true;
            default -> false;
        };
    }

    private static boolean isRead(int opcode) {
        return switch (opcode) {
            case READ_SECTORS,
                    READ_SECTORS_EXT,
                    READ_MULTIPLE,
                    READ_MULTIPLE_EXT,
                    READ_DMA,
                    READ_DMA_EXT,
                    READ_QUEUED -> true;
            default -> false;
        };
    }

    private Result transfer(Command c, long lba, int sectors) {
        int opcode = c.opcode();
        if (lba > disk.sectors() - sectors) {
            return failed(c, Result.NOT_FOUND, lba);
        }
        if (opcode == VERIFY || opcode == VERIFY_EXT) {
            return Result.Done.good();
        }
        boolean read = isRead(opcode);
        if (!read && disk.readOnly()) {
            return failed(c, Result.ABORTED, lba);
        }
        long bytes = (long) sectors * SECTOR;
        GuestBuffers buffers = c.buffers(memory(), bytes, read);
        if (buffers.bytes() < bytes) {
            return failed(c, Result.ABORTED, lba).withOverflow(true); // the driver has no room, or no data
        }
        boolean durable = !writeCache
                || opcode == WRITE_DMA_FUA_EXT
                || opcode == WRITE_MULTIPLE_FUA_EXT
                || opcode == WRITE_QUEUED && (c.device() & FUA) != 0;
        long offset = lba * SECTOR;
        DiskRequests.Work work = () -> {
            buffers.transfer(disk, offset);
            if (!read && durable) {
                disk.flush();
            }
        };
        boolean pio = isPio(opcode);
        return new Result.Work(read ? Demand.Kind.READ : Demand.Kind.WRITE, bytes, work, buffers, failure -> {
            if (failure != null) {
                return failed(c, read ? Result.UNCORRECTABLE : Result.ABORTED, lba);
            }
            return pio && read ? Result.Done.pioIn(bytes) : Result.Done.data(bytes);
        });
    }

    private Result.Done failed(Command c, int error, long lba) {
        if (c.isQueued()) {
            failedTag = c.tag();
            failedError = error;
            failedLba = lba;
        }
        return Result.Done.failed(error, lba);
    }

    private Result flush() {
        return new Result.Work(Demand.Kind.FLUSH, 0, disk::flush, new GuestBuffers(memory(), false), AtaDisk::ended);
    }

    private static Result.Done ended(@Nullable IOException failure) {
        return failure == null ? Result.Done.good() : Result.Done.aborted();
    }

    /** 7.10: blocks of 64 ranges, each of LBA (6 bytes) and sectors (2). */
    private Result trim(Command c) {
        int blocks = c.count();
        if ((c.features() & 1) == 0 || blocks == 0 || blocks > Identify.TRIM_BLOCKS || disk.readOnly()) {
            return Result.Done.aborted();
        }
        GuestBuffers buffers = c.buffers(memory(), (long) blocks * SECTOR, false);
        if (buffers.bytes() < (long) blocks * SECTOR) {
            return Result.Done.aborted().withOverflow(true);
        }
        ByteBuffer b = ByteBuffer.wrap(buffers.get()).order(ByteOrder.LITTLE_ENDIAN);
        long[] ranges = new long[blocks * RANGES_IN_BLOCK];
        for (int i = 0; i < ranges.length; i++) {
            ranges[i] = b.getLong(i * 8);
            long lba = ranges[i] & 0xffff_ffff_ffffL;
            if (lba > disk.sectors() - (ranges[i] >>> 48)) {
                return Result.Done.failed(Result.NOT_FOUND | Result.ABORTED, lba);
            }
        }
        DiskRequests.Work work = () -> {
            for (long r : ranges) {
                if (r >>> 48 != 0) {
                    disk.discard((r & 0xffff_ffff_ffffL) * SECTOR, (r >>> 48) * SECTOR);
                }
            }
        };
        return new Result.Work(Demand.Kind.DISCARD, 0, work, new GuestBuffers(memory(), false), AtaDisk::ended);
    }

    private Result pioIn(Command c, byte[] data) {
        GuestBuffers b = c.buffers(memory(), data.length, true);
        b.put(data);
        return Result.Done.pioIn(b.bytes()).withOverflow(b.bytes() < data.length);
    }

    /** 7.24: the directory of logs (A.2), and that of queued errors (A.15). */
    private Result log(Command c) {
        int log = (int) c.lba48() & 0xff;
        if (c.count() != 1 || c.lba48() >>> 8 != 0 || log != DIRECTORY && log != QUEUED_ERRORS) {
            return Result.Done.aborted();
        }
        byte[] page = new byte[SECTOR];
        if (log == DIRECTORY) {
            page[0] = 1;
            page[2 * QUEUED_ERRORS] = 1;
            return pioIn(c, page);
        }
        page[0] = (byte) (failedError == 0 ? 0x80 : failedTag);
        page[2] = (byte) (failedError == 0 ? Result.READY : Result.READY | Result.ERROR);
        page[3] = (byte) failedError;
        for (int i = 0; i < 3; i++) {
            page[4 + i] = (byte) (failedLba >>> i * 8);
            page[8 + i] = (byte) (failedLba >>> 24 + i * 8);
        }
        int sum = 0;
        for (byte v : page) {
            sum += v;
        }
        page[511] = (byte) -sum;
        return pioIn(c, page);
    }

    /** 7.45. */
    private Result setFeatures(Command c) {
        switch (c.features() & 0xff) {
            case 2 -> writeCache = true;
            case 0x82 -> {
                writeCache = false;
                return flush();
            }
            case 3 -> {
                int mode = c.count() & 0xff;
                if ((mode & 0xf8) == 0x20 && (mode & 7) < 3 || (mode & 0xf8) == 0x40 && (mode & 7) < 7) {
                    transferMode = mode;
                } else if (mode > 0xc) { // the PIO modes are all the same to us
                    return Result.Done.aborted();
                }
            }
            case 0xaa -> lookAhead = true;
            case 0x55 -> lookAhead = false;
            case 0x66, 0xcc -> {} // whether a soft reset keeps them, which it does
            default -> {
                return Result.Done.aborted();
            }
        }
        return Result.Done.good();
    }

    @Override
    long[] save() {
        return new long[] {
            (writeCache ? 1 : 0) | (lookAhead ? 2 : 0), multiple, transferMode, failedTag, failedError, failedLba
        };
    }

    @Override
    void restore(long[] w) {
        if (w.length != 6) {
            throw new IllegalArgumentException("the state is not of an ATA disk");
        }
        writeCache = (w[0] & 1) != 0;
        lookAhead = (w[0] & 2) != 0;
        multiple = (int) w[1] & 0x1f;
        transferMode = (int) w[2] & 0xff;
        failedTag = (int) w[3] & 0x1f;
        failedError = (int) w[4] & 0xff;
        failedLba = w[5] & 0xffff_ffff_ffffL;
    }
}
