package serai.storage.throttle;

/**
 * The limits of a disk.
 *
 * @param bps bytes a second, reads and writes together
 * @param bpsRead bytes read a second
 * @param bpsWrite bytes written a second
 * @param iops requests a second, reads and writes together
 * @param iopsRead reads a second
 * @param iopsWrite writes a second
 * @param iopsSize bytes that count as one request in the three above; a longer one counts as so many as it has begun; 0 if each
 *     counts as one
 * @param normalized requests of 8 KiB a second, reads and writes together, as Hyper-V's storage QoS counts: each request as the 8 KiB that
 *     it has begun; besides the others
 */
public record Limits(
        Limit bps,
        Limit bpsRead,
        Limit bpsWrite,
        Limit iops,
        Limit iopsRead,
        Limit iopsWrite,
        long iopsSize,
        Limit normalized) {
    /** Bytes of a normalized request. */
    public static final long NORMAL = 8192;

    /** None. */
    public static final Limits NONE =
            new Limits(Limit.NONE, Limit.NONE, Limit.NONE, Limit.NONE, Limit.NONE, Limit.NONE, 0, Limit.NONE);

    /**
     * Checks them.
     *
     * @throws IllegalArgumentException in one sentence
     */
    public Limits {
        if (bps.average() > 0 && (bpsRead.average() > 0 || bpsWrite.average() > 0)
                || iops.average() > 0 && (iopsRead.average() > 0 || iopsWrite.average() > 0)) {
            throw new IllegalArgumentException("a limit is for reads and writes together, or for each, not both");
        }
        if (iopsSize < 0) {
            throw new IllegalArgumentException("iops-size is a number of bytes");
        }
    }

    /** Whether there is any. */
    public boolean any() {
        return !equals(NONE) && !equals(NONE.withIopsSize(iopsSize));
    }

    /** With another limit of bytes. */
    public Limits withBps(Limit l) {
        return new Limits(l, bpsRead, bpsWrite, iops, iopsRead, iopsWrite, iopsSize, normalized);
    }

    /** With another limit of requests. */
    public Limits withIops(Limit l) {
        return new Limits(bps, bpsRead, bpsWrite, l, iopsRead, iopsWrite, iopsSize, normalized);
    }

    /** With another size of a request. */
    public Limits withIopsSize(long bytes) {
        return new Limits(bps, bpsRead, bpsWrite, iops, iopsRead, iopsWrite, bytes, normalized);
    }

    /** With another limit of normalized requests. */
    public Limits withNormalized(Limit l) {
        return new Limits(bps, bpsRead, bpsWrite, iops, iopsRead, iopsWrite, iopsSize, l);
    }
}
