/** TODO linux. */
@NullMarked
package serai.linux;

import org.jspecify.annotations.NullMarked;
