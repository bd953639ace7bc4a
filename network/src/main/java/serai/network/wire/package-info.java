/** Frames as they are on a wire: checksums, and the segments of those that are too large ({@link serai.network.wire.WireFrames}). */
@NullMarked
package serai.network.wire;

import org.jspecify.annotations.NullMarked;
