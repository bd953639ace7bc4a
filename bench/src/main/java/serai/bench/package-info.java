/**
 * What produces every figure that is published: {@code bench/run} prints those of a whole machine ({@link
 * serai.bench.Figures}), {@code bench/programs} compares programs in guests ({@link serai.bench.Programs}), {@code
 * bench/fio} disks in guests ({@link serai.bench.FioBench}), and {@link
 * serai.bench.lockstep} compares a run instruction by instruction with QEMU's.
 */
@NullMarked
package serai.bench;

import org.jspecify.annotations.NullMarked;
