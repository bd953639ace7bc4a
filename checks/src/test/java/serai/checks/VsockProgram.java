package serai.checks;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * A program for a guest whose shell knows no sockets of this family: it connects, or waits for a connection, and becomes a shell with a script
 * whose input and output the socket is. Its exit status is the error otherwise.
 */
final class VsockProgram {
    private static final int ADDRESS = 0x400000, HEADERS = 64 + 56;
    private static final int SOCKET = 41,
            CONNECT = 42,
            ACCEPT = 43,
            BIND = 49,
            LISTEN = 50,
            DUP2 = 33,
            EXECVE = 59,
            EXIT = 60;
    private static final int AF_VSOCK = 40, STREAM = 1, ANY_CID = -1;

    private final ByteArrayOutputStream code = new ByteArrayOutputStream();

    private VsockProgram() {}

    /** Connects to a port of an address. */
    static byte[] connecting(int cid, int port, String script) {
        return program(CONNECT, cid, port, script);
    }

    /** Waits for one connection to a port. */
    static byte[] listening(int port, String script) {
        return program(BIND, ANY_CID, port, script);
    }

    private static byte[] program(int call, int cid, int port, String script) {
        int dataAt = 0;
        byte[] made = new byte[0];
        for (int pass = 0; pass < 2; pass++) { // the second knows how long the code is
            VsockProgram p = new VsockProgram();
            p.instructions(call, ADDRESS + HEADERS + dataAt);
            made = p.code.toByteArray();
            dataAt = made.length;
        }
        int data = ADDRESS + HEADERS + dataAt;
        byte[] shell = "/bin/sh\0".getBytes(StandardCharsets.US_ASCII);
        byte[] name = (script + "\0").getBytes(StandardCharsets.US_ASCII);
        ByteBuffer b = ByteBuffer.allocate(HEADERS + dataAt + 40 + shell.length + name.length)
                .order(ByteOrder.LITTLE_ENDIAN);
        b.put(HexFormat.of().parseHex("7f454c46020101000000000000000000")); // ELF, 64 bits, little-endian
        b.putShort((short) 2)
                .putShort((short) 62)
                .putInt(1)
                .putLong(ADDRESS + HEADERS)
                .putLong(64)
                .putLong(0);
        b.putInt(0).putShort((short) 64).putShort((short) 56).putShort((short) 1);
        b.putShort((short) 64).putShort((short) 0).putShort((short) 0);
        b.putInt(1).putInt(7).putLong(0).putLong(ADDRESS).putLong(ADDRESS);
        b.putLong(b.capacity()).putLong(b.capacity()).putLong(0x1000);
        b.put(made);
        b.putShort((short) AF_VSOCK)
                .putShort((short) 0)
                .putInt(port)
                .putInt(cid)
                .putInt(0);
        b.putLong(data + 40).putLong(data + 40 + shell.length).putLong(0);
        return b.put(shell).put(name).array();
    }

    private void instructions(int call, int data) {
        call(SOCKET, AF_VSOCK, STREAM, 0);
        bytes("89c3"); // mov ebx, eax
        callOnSocket(call, data, 16);
        if (call == BIND) {
            fail();
            callOnSocket(LISTEN, 8, 0);
            callOnSocket(ACCEPT, 0, 0);
            bytes("89c3");
        }
        fail();
        callOnSocket(DUP2, 0, 0);
        callOnSocket(DUP2, 1, 0);
        call(EXECVE, data + 40, data + 16, 0);
    }

    private void bytes(String hex) {
        code.writeBytes(HexFormat.of().parseHex(hex));
    }

    private void load(String opcode, int value) {
        bytes(opcode);
        code.writeBytes(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array());
    }

    private void call(int number, int first, int second, int third) {
        load("bf", first); // mov edi
        rest(number, second, third);
    }

    private void callOnSocket(int number, int second, int third) {
        bytes("89df"); // mov edi, ebx
        rest(number, second, third);
    }

    private void rest(int number, int second, int third) {
        load("be", second); // mov esi
        load("ba", third); // mov edx
        load("b8", number); // mov eax
        bytes("0f05"); // syscall
    }

    /** test eax, eax; jns over what exits with the error. */
    private void fail() {
        bytes("85c07915");
        bytes("f7d889c7"); // neg eax; mov edi, eax
        rest(EXIT, 0, 0);
    }
}
