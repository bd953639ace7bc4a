package serai.bench;

import java.util.Arrays;
import java.util.stream.DoubleStream;

/** Statistics of measured times. */
final class Times {
    private Times() {}

    /** The middle one; NaN of none. */
    static double median(double[] v) {
        if (v.length == 0) {
            return Double.NaN;
        }
        double[] s = v.clone();
        Arrays.sort(s);
        return s.length % 2 == 1 ? s[s.length / 2] : (s[s.length / 2 - 1] + s[s.length / 2]) / 2;
    }

    /** Those that are numbers. */
    static double[] known(double[] v) {
        return Arrays.stream(v).filter(x -> !Double.isNaN(x)).toArray();
    }

    /** The least; NaN of none. */
    static double min(double[] v) {
        return Arrays.stream(v).min().orElse(Double.NaN);
    }

    /** Of positive figures; NaN of none. */
    static double geometricMean(double[] v) {
        return Math.exp(DoubleStream.of(v).map(Math::log).average().orElse(Double.NaN));
    }
}
