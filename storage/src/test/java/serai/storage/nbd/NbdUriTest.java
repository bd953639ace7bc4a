package serai.storage.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import serai.storage.DiskException;

class NbdUriTest {
    private static void tcp(String text, String host, int port, String export) throws DiskException {
        assertEquals(new NbdUri.Tcp(host, port, export), NbdUri.parse(text));
    }

    private static void unix(String text, String socket, String export) throws DiskException {
        assertEquals(new NbdUri.Unix(Path.of(socket), export), NbdUri.parse(text));
    }

    private static void refused(String text, String why) {
        DiskException e = assertThrows(DiskException.class, () -> NbdUri.parse(text));
        assertEquals("NBD address '" + text + "' " + why, e.getMessage());
    }

    @Test
    void examplesOfTheDocument() throws DiskException {
        tcp("nbd://example.com/disk", "example.com", 10809, "disk");
        unix("nbd+unix:///disk?socket=sock", "sock", "disk");
        tcp("nbd://example.com/", "example.com", 10809, "");
        tcp("nbd://example.com", "example.com", 10809, "");
        tcp("nbd://example.com//disk", "example.com", 10809, "/disk");
        tcp("nbd://example.com/hello%20world", "example.com", 10809, "hello world");
        tcp("nbd://example.com:10810/export", "example.com", 10810, "export");
        unix("nbd+unix:///export?socket=nbd.sock", "nbd.sock", "export");
    }

    @Test
    void addressesAndEncodings() throws DiskException {
        tcp("nbd://[::1]:1/x", "::1", 1, "x");
        tcp("nbd://127.0.0.1/%C3%A4+b", "127.0.0.1", 10809, "ä+b");
        unix("nbd+unix:///?socket=/run/a%20b%3F", "/run/a b?", "");
    }

    @Test
    void olderFormOfQemu() throws DiskException {
        unix("nbd:unix:/run/nbd.sock", "/run/nbd.sock", "");
        unix("nbd:unix:/run/nbd.sock:exportname=a:b c", "/run/nbd.sock", "a:b c");
        tcp("nbd:localhost:10809", "localhost", 10809, "");
        tcp("nbd:[::1]:7:exportname=", "::1", 7, "");
    }

    @Test
    void othersAreRefusedInOneSentence() {
        refused("nbds://example.com/", "needs TLS, which there is not");
        refused("nbds+unix:///?socket=s", "needs TLS, which there is not");
        refused("http://example.com/", "does not begin with nbd:// or nbd+unix://");
        refused("disk.img", "does not begin with nbd:// or nbd+unix://");
        refused("nbd+unix:///x", "does not say which socket (?socket=PATH)");
        refused("nbd+unix:///x?socket=", "does not say which socket (?socket=PATH)");
        refused("nbd+unix://host/x?socket=s", "names a host, and its socket has none");
        refused("nbd://host/?socket=s", "names a socket, which nbd+unix:// would have");
        refused("nbd://host/?tls-type=psk", "has a parameter that is not known");
        refused("nbd:///x", "names no host");
        refused("nbd://user@host/x", "names a user, which is for TLS alone, and that there is not");
        refused("nbd://host:0/", "has a port that is not from 1 to 65535");
        refused("nbd://host:65536/", "has a port that is not from 1 to 65535");
        refused("nbd://host/%", "is no URI");
        refused("nbd://host/%00", "names an export of more than 4096 bytes, or with a NUL");
        refused("nbd://host/%ff", "has a name that is not UTF-8");
        refused("nbd://host/x#y", "has a fragment");
        refused("nbd+unix:///x?socket=%00abstract", "names a socket that is no path");
        refused("nbd+unix:x", "has no // after its scheme");
        refused("nbd:host", "is neither nbd:HOST:PORT nor nbd:unix:PATH");
        refused("nbd:host:http", "has a port that is no number");
        refused("nbd:unix:", "does not say which socket");
    }

    @Test
    void whatIsPrintedCanBeParsed() throws DiskException {
        long seed = 20261201;
        Random random = new Random(seed);
        for (int i = 0; i < 2000; i++) {
            StringBuilder name = new StringBuilder();
            for (int n = random.nextInt(8); n > 0; n--) {
                name.appendCodePoint(random.nextInt(4) == 0 ? 1 + random.nextInt(0xd7fe) : 1 + random.nextInt(127));
            }
            NbdUri tcp =
                    new NbdUri.Tcp(random.nextBoolean() ? "::1" : "a.b", 1 + random.nextInt(65535), name.toString());
            assertEquals(tcp, NbdUri.parse(tcp.toString()), () -> "seed " + seed + ": " + tcp);
            NbdUri unix = new NbdUri.Unix(Path.of("/x" + name), name.toString());
            assertEquals(unix, NbdUri.parse(unix.toString()), () -> "seed " + seed + ": " + unix);
        }
    }
}
