/** TODO cli. */
@NullMarked
package serai.cli;

import org.jspecify.annotations.NullMarked;
