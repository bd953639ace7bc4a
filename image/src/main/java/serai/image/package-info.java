/** TODO image. */
@NullMarked
package serai.image;

import org.jspecify.annotations.NullMarked;
