/**
 * The Linux system calls that Serai needs, through the FFM API: the one module with native access.
 *
 * <p>Start with {@link serai.linux.Linux#available}: on another host nothing here works, and whoever wires a machine
 * takes another way. Guest memory is a {@link serai.linux.SharedMapping}, a disk a {@link serai.linux.HostFile} that
 * transfers straight between file and guest memory by raw host address:
 *
 * {@snippet :
 * try (SharedMapping ram = SharedMapping.create("guest", 2L << 30);
 *         HostFile disk = HostFile.open(Path.of("disk.raw"), HostFile.Access.READ_WRITE)) {
 *     disk.lock();
 *     disk.readFully(0, ram.address() + 0x7c00, 512);
 * }
 * }
 *
 * {@link serai.linux.Terminal} makes the terminal raw and gives it back, {@link serai.linux.EventFd} and
 * {@link serai.linux.Poll} wake threads that wait for descriptors, {@link serai.linux.HostThread} interrupts another
 * thread's system call, {@link serai.linux.Fd} carries ioctls, {@link serai.linux.Tap} is an Ethernet interface whose other end is ours,
 * {@link serai.linux.PingSocket} sends echoes without privilege. A refused system call is a
 * {@link serai.linux.LinuxException} with the errno by name.
 *
 * <p>Not built yet, foreseen: executable memory for the translator (a second mapping of one memfd, writable the one,
 * executable the other), io_uring.
 */
@NullMarked
package serai.linux;

import org.jspecify.annotations.NullMarked;
