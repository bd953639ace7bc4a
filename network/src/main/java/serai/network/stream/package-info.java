/** Frames on Unix stream sockets: {@link serai.network.stream.StreamPort}. */
@NullMarked
package serai.network.stream;

import org.jspecify.annotations.NullMarked;
