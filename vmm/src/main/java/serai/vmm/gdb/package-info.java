/**
 * A GDB stub: stock gdb connects to it over loopback TCP (GDB manual, appendix E, "Remote Serial Protocol").
 *
 * <p>The thread that drives the vCPU also answers the debugger while the vCPU stands still; a second thread only reads
 * the socket, so that Ctrl-C gets through while it runs.
 *
 * <pre>{@code
 * GdbStub gdb = GdbStub.listen(1234);
 * gdb.awaitDebugger();
 * switch (gdb.stopped(vcpu, memory, GdbStub.SIGTRAP)) {
 *     case STEP -> vcpu.run(1);
 *     case CONTINUE -> vcpu.run(Long.MAX_VALUE);
 *     case DETACHED, KILL -> …
 * }
 * }</pre>
 */
@NullMarked
package serai.vmm.gdb;

import org.jspecify.annotations.NullMarked;
