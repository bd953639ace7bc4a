/**
 * An AHCI 1.3.1 host bus adapter with ATA disks and CD-ROM drives on its ports.
 *
 * <p>{@link serai.machine.ahci.Ahci} has the global registers and the interrupts, {@code Port} a port's registers, its command list and what
 * it tells memory ({@code Fis}). A {@code Command} is what a driver asks of the device on the cable, a {@code Result} what becomes of it:
 * {@link serai.machine.ahci.AtaDisk} does the ATA command set, {@link serai.machine.ahci.CdDrive} is the mechanism of a CD-ROM drive (a tray,
 * a medium, a lock), for which {@code PacketCommands} does MMC's commands.
 *
 * <pre>{@code
 * CdDrive cd = new CdDrive("cdrom-0", iso);
 * machine.plug(Layout.AHCI_SLOT, new Ahci("ahci0", List.of(cd, new AtaDisk(disk)), () -> io, machine.memory(), machine.msi()));
 * }</pre>
 */
@NullMarked
package serai.machine.ahci;

import org.jspecify.annotations.NullMarked;
