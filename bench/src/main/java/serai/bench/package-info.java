/** TODO bench. */
@NullMarked
package serai.bench;

import org.jspecify.annotations.NullMarked;
