/**
 * LUKS, the encryption of whole disks that Linux has: LUKS1 (LUKS On-Disk Format Specification 1.2.3) and LUKS2 (LUKS2 On-Disk Format
 * Specification 1.1).
 *
 * <p>A {@link serai.storage.luks.LuksVolume} is an opened header: the key that a passphrase gave, as a {@link
 * serai.storage.luks.SectorCipher}, and where the encrypted disk begins. {@link serai.storage.luks.LuksDisk} is the disk of a raw LUKS
 * image:
 *
 * <pre>{@code
 * try (HostImageFile file = HostImageFile.create(Path.of("disk.luks"));
 *         LuksDisk disk = LuksDisk.create(file, LuksOptions.luks1(), passphrase, 1L << 30);
 *         NativeBuffer sector = new NativeBuffer(512)) {
 *     disk.write(0, sector.address(), 512);
 * }
 * }</pre>
 *
 * <p>A qcow2 image with {@code encrypt.format=luks} has the LUKS1 header in an area of its own (header extension 0x0537be77), and its
 * clusters are encrypted with the sector numbers of the places where they stand in the file:
 *
 * <pre>{@code
 * LuksVolume volume = LuksVolume.open(headerArea, passphrase); // an ImageFile whose byte 0 is the header's first
 * file.read(hostOffset, hostAddress, length);
 * volume.cipher().decrypt(hostOffset / 512, hostAddress, hostAddress, length);
 * }</pre>
 *
 * To make such a one: {@code LuksVolume.create(headerArea, options, passphrase)} writes {@code options.headerBytes()} bytes there.
 *
 * <p>{@link serai.storage.luks.LuksInfo} tells what a header says without a passphrase; {@link serai.storage.luks.LuksVolume} adds and removes
 * passphrases.
 *
 * <p>Headers are hostile: what opening one may cost in time and memory is bounded ({@link serai.storage.luks.LuksVolume#open}). Keys are
 * filled with zeros after use where they are in arrays of ours; the JDK's ciphers keep copies that go with the garbage collector.
 */
@NullMarked
package serai.storage.luks;

import org.jspecify.annotations.NullMarked;
