/** TODO machine. */
@NullMarked
package serai.machine;

import org.jspecify.annotations.NullMarked;
