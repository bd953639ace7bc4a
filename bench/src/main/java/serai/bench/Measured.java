package serai.bench;

/**
 * A program's times in one place.
 *
 * @param first of the first run in each guest, in seconds: loading and translating it included
 * @param hot of the best of the runs that follow in the same guest, in seconds
 * @param failure why there are no times, in a few words; empty if there are
 */
record Measured(double[] first, double[] hot, String failure) {
    static Measured failed(String why) {
        return new Measured(new double[0], new double[0], why);
    }

    boolean ok() {
        return failure.isEmpty();
    }
}
