/** TODO cpu. */
@NullMarked
package serai.cpu;

import org.jspecify.annotations.NullMarked;
