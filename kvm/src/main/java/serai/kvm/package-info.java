/** TODO kvm. */
@NullMarked
package serai.kvm;

import org.jspecify.annotations.NullMarked;
