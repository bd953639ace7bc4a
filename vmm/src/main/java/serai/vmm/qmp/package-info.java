/**
 * The control socket of a VM: the QEMU Machine Protocol over a Unix socket, so that what speaks QMP speaks to Serai. Commands, arguments and
 * events have QEMU's names (its QMP reference, version 7.2); one that Serai lacks is refused as one that QEMU would not know.
 *
 * <pre>
 * ← {"QMP": {"version": {…}, "capabilities": []}}
 * → {"execute": "qmp_capabilities"}
 * ← {"return": {}}
 * → {"execute": "query-status", "id": 7}
 * ← {"return": {"status": "running", "running": true, "singlestep": false}, "id": 7}
 * ← {"timestamp": {"seconds": 1795564800, "microseconds": 12}, "event": "POWERDOWN"}
 * </pre>
 *
 * {@link serai.vmm.qmp.QmpServer} listens and tells events, {@code Session} serves one client, {@link serai.vmm.qmp.CommandTable} knows the
 * commands. A class for each group of them puts its own in:
 *
 * <pre>{@code
 * CommandTable table = new CommandTable();
 * new StatusCommands(vm).addTo(table);
 * QmpServer server = QmpServer.listen(path, table);
 * }</pre>
 *
 * A client is not trusted: messages, nesting, clients at once and what waits for a slow one are bounded. Who may connect is for the file's
 * permissions to say: its owner alone.
 */
@NullMarked
package serai.vmm.qmp;

import org.jspecify.annotations.NullMarked;
