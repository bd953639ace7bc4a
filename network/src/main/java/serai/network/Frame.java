package serai.network;

import java.nio.ByteBuffer;

/**
 * An Ethernet frame without preamble and check sequence.
 *
 * @param bytes from position to limit, big-endian; whoever takes it may move the position and must not change the bytes
 * @param offload what is to be done to it
 */
public record Frame(ByteBuffer bytes, Offload offload) {}
