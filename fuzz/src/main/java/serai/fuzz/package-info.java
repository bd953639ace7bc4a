/**
 * What the fuzz tests of all modules share: {@link serai.fuzz.GuidedFuzz} starts Jazzer. For tests alone; whoever uses it has
 * Jazzer on the class path of its tests.
 */
@NullMarked
package serai.fuzz;

import org.jspecify.annotations.NullMarked;
