/** CPU models: what CPUID tells, the same on every engine. */
@NullMarked
package serai.machine.cpuid;

import org.jspecify.annotations.NullMarked;
