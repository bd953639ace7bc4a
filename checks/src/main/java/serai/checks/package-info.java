/** TODO checks. */
@NullMarked
package serai.checks;

import org.jspecify.annotations.NullMarked;
