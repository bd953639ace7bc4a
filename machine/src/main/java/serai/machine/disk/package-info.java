/** What the machine needs of disks: the interface storage implements, and how its work gets off the vCPU's thread. */
@NullMarked
package serai.machine.disk;

import org.jspecify.annotations.NullMarked;
