package serai.machine.ahci;

import java.io.IOException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import serai.machine.disk.Demand;
import serai.machine.disk.DiskRequests;
import serai.machine.disk.GuestBuffers;

/** What becomes of a command: it is done, or is to be done off the vCPU's thread. */
sealed interface Result {
    /** The status register of an ATA device: ready, seek complete. */
    int READY = 0x50;

    int BUSY = 0x80, DATA_REQUEST = 8, ERROR = 1;
    /** The error register. */
    int ABORTED = 4, NOT_FOUND = 0x10, UNCORRECTABLE = 0x40;

    /**
     * It is done.
     *
     * @param status what the registers hold now: status …
     * @param error … error …
     * @param count … count …
     * @param lba … 48 bits of LBA …
     * @param device … and device
     * @param bytes transferred
     * @param pio whether they were told by a PIO Setup FIS
     * @param ends whether that alone told of the end, as reading by PIO does
     * @param overflow whether the device had more than the driver had room for
     */
    record Done(
            int status,
            int error,
            int count,
            long lba,
            int device,
            long bytes,
            boolean pio,
            boolean ends,
            boolean overflow)
            implements Result {
        /** Without data. */
        static Done good() {
            return data(0);
        }

        /** With data by DMA. */
        static Done data(long bytes) {
            return new Done(READY, 0, 0, 0, 0, bytes, false, false, false);
        }

        /** Data that the driver reads by PIO. */
        static Done pioIn(long bytes) {
            return new Done(READY, 0, 0, 0, 0, bytes, true, true, false);
        }

        /** Refused or failed. */
        static Done failed(int error, long lba) {
            return new Done(READY | ERROR, error, 0, lba, 0, 0, false, false, false);
        }

        static Done aborted() {
            return failed(ABORTED, 0);
        }

        Done withOverflow(boolean more) {
            return new Done(status, error, count, lba, device, bytes, pio, ends, more);
        }

        Done withError(int code) {
            return new Done(status, code, count, lba, device, bytes, pio, ends, overflow);
        }

        boolean isError() {
            return (status & ERROR) != 0;
        }
    }

    /**
     * To be done.
     *
     * @param demand what it asks of the disk
     * @param buffers filled or taken by it
     * @param end what it has become then, of what went wrong or null
     */
    record Work(Demand demand, DiskRequests.Work work, GuestBuffers buffers, Function<@Nullable IOException, Done> end)
            implements Result {
        Work(
                Demand.Kind kind,
                long bytes,
                DiskRequests.Work work,
                GuestBuffers buffers,
                Function<@Nullable IOException, Done> end) {
            this(new Demand(kind, 0, bytes), work, buffers, end);
        }
    }
}
