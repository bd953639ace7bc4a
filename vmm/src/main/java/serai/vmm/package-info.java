/** TODO vmm. */
@NullMarked
package serai.vmm;

import org.jspecify.annotations.NullMarked;
