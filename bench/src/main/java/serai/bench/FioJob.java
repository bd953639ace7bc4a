package serai.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A job of fio.
 *
 * @param pattern fio's {@code rw}
 * @param blockKib of one request
 * @param depth requests under way
 */
record FioJob(String pattern, int blockKib, int depth) {
    /** Seconds that are not counted, in which caches and JIT compilers get warm. */
    private static final double RAMP = 0.5;

    static List<FioJob> all() {
        List<FioJob> jobs = new ArrayList<>();
        for (String pattern : List.of("read", "randread", "write", "randwrite")) {
            jobs.add(new FioJob(pattern, 4, 1));
            jobs.add(new FioJob(pattern, 4, 32));
            jobs.add(new FioJob(pattern, 64, 8));
            jobs.add(new FioJob(pattern, 1024, 1));
            jobs.add(new FioJob(pattern, 1024, 32));
        }
        return jobs;
    }

    boolean reads() {
        return pattern.endsWith("read");
    }

    /** How long a job is, with those. */
    static double seconds(double counted) {
        return RAMP + counted;
    }

    /** Its name for fio and for the reader. */
    String label() {
        return "%s-%s-qd%d".formatted(pattern, blockKib == 1024 ? "1M" : blockKib + "k", depth);
    }

    /**
     * The file with all jobs for fio, which are done one after the other; each waits for a line on the console and then tells that it has begun, and
     * at its end that it is over.
     *
     * @param device in the guest
     */
    static String file(List<FioJob> jobs, String device, double seconds) {
        StringBuilder b =
                new StringBuilder(String.format(Locale.ROOT, """
                [global]
                filename=%s
                ioengine=libaio
                direct=1
                thread
                time_based
                ramp_time=%dms
                runtime=%dms
                norandommap
                stonewall
                """, device, (int) (RAMP * 1000), (int) (seconds * 1000)));
        // fio adds a redirection to the end of a command, which the one that is nothing gets; a semicolon would begin a
        // comment
        for (FioJob j : jobs) {
            b.append("""
                    [%1$s]
                    rw=%2$s
                    bs=%3$dk
                    iodepth=%4$d
                    exec_prerun=echo '<%1$s waits>' >/dev/console && read go </dev/console && echo '<%1$s begins>' >/dev/console && true
                    exec_postrun=echo '<%1$s is over>' >/dev/console && true
                    """.formatted(j.label(), j.pattern, j.blockKib, j.depth));
        }
        return b.toString();
    }
}
