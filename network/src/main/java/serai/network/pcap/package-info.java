/** What passes through a port, in a file: {@link serai.network.pcap.CapturedPort}. */
@NullMarked
package serai.network.pcap;

import org.jspecify.annotations.NullMarked;
