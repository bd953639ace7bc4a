/**
 * A GDB stub: stock gdb connects to it over loopback TCP (GDB manual, appendix E, "Remote Serial Protocol"). vCPUs are threads, and all
 * of them stop together.
 *
 * <p>The thread that drives the machine also answers the debugger while the machine stands still; a second thread only reads the
 * socket, so that Ctrl-C gets through while it runs.
 *
 * <pre>{@code
 * GdbStub gdb = GdbStub.listen(1234);
 * gdb.awaitDebugger();
 * switch (gdb.stopped(target, Stop.signal(0, Stop.SIGTRAP))) {
 *     case Resume.Forward(Schedule schedule) -> machine.run(Long.MAX_VALUE, schedule);
 *     case Resume.StepBack(int cpu) -> …
 * }
 * }</pre>
 *
 * <p>Where the machine can do again what it did, gdb's reverse commands work: {@code StepBack} and {@code RunBack}.
 *
 * <p>No memory map is offered: it would hold for physical addresses, and gdb would refuse all others.
 */
@NullMarked
package serai.vmm.gdb;

import org.jspecify.annotations.NullMarked;
