/**
 * The Network Block Device protocol, both sides of it.
 *
 * <p>{@link serai.storage.nbd.NbdServer} gives disks to others: {@code qemu-nbd}, {@code nbdcopy}, {@code nbdinfo}, the Linux kernel. Backup
 * programs read from it what has changed, as a meta context {@code qemu:dirty-bitmap:NAME}:
 *
 * <pre>{@code
 * try (NbdServer server = new NbdServer()) {
 *     server.add(NbdExport.of("sda", disk).readOnly().bitmap(changes));
 *     server.listen(UnixDomainSocketAddress.of("/run/vm1.nbd"));
 *     …
 *     server.remove("sda"); // from here on nobody uses disk
 * }
 * }</pre>
 *
 * <p>{@link serai.storage.nbd.NbdDisk} is a disk that another server has:
 *
 * <pre>{@code
 * try (NbdDisk disk = NbdDisk.connect(NbdUri.parse("nbd://backup.example/sda"), NbdDisk.Options.DEFAULT)) {
 *     disk.read(0, address, 4096);
 * }
 * }</pre>
 *
 * <p>The protocol is that of {@code doc/proto.md} of the project NetworkBlockDevice/nbd ("proto" in comments, with the heading), and of QEMU's
 * {@code docs/interop/nbd} for the contexts {@code qemu:…}. The other side is not trusted: {@code Wire} and {@code Worker} say how its memory
 * and its time are bounded.
 */
@NullMarked
package serai.storage.nbd;

import org.jspecify.annotations.NullMarked;
