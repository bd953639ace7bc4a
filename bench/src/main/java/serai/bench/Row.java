package serai.bench;

import java.util.Map;

/** All times of a program. */
record Row(Program program, Map<Place, Measured> measured) {
    Measured at(Place place) {
        Measured m = measured.get(place);
        if (m == null) {
            throw new IllegalArgumentException(program.name() + " was not run: " + place);
        }
        return m;
    }

    private boolean comparable() {
        return at(Place.TCG).ok() && at(Place.SERAI).ok();
    }

    /** Serai's least time over QEMU's, hot; NaN if one of them has none. */
    double hot() {
        return comparable()
                ? Times.min(at(Place.SERAI).hot()) / Times.min(at(Place.TCG).hot())
                : Double.NaN;
    }

    /** The same of the first run. */
    double first() {
        return comparable()
                ? Times.min(at(Place.SERAI).first()) / Times.min(at(Place.TCG).first())
                : Double.NaN;
    }
}
