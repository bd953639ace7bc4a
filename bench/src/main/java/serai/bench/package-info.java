/**
 * What produces every figure that is published: {@code bench/run} prints the table ({@link serai.bench.Figures}), and
 * {@link serai.bench.lockstep} compares a run instruction by instruction with QEMU's.
 */
@NullMarked
package serai.bench;

import org.jspecify.annotations.NullMarked;
