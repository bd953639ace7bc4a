/** TODO storage. */
@NullMarked
package serai.storage;

import org.jspecify.annotations.NullMarked;
