package serai.storage.nbd;

import java.net.URI;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;

/** Both forms of {@link NbdUri}. */
final class NbdUriParser {
    private static final String EXPORT = ":exportname=";

    private final String text;

    private NbdUriParser(String text) {
        this.text = text;
    }

    /** doc/uri.md, on RFC 3986. */
    static NbdUri standard(String text) throws DiskException {
        NbdUriParser p = new NbdUriParser(text);
        URI uri;
        try {
            uri = new URI(text);
        } catch (URISyntaxException e) {
            throw p.wrong("is no URI");
        }
        String scheme = String.valueOf(uri.getScheme());
        switch (scheme) {
            case "nbds", "nbds+unix" -> throw p.wrong("needs TLS, which there is not");
            case "nbd", "nbd+unix" -> {}
            default -> throw p.wrong("does not begin with nbd:// or nbd+unix://");
        }
        if (uri.isOpaque()) {
            throw p.wrong("has no // after its scheme");
        }
        if (uri.getRawFragment() != null) {
            throw p.wrong("has a fragment");
        }
        String path = uri.getRawPath() == null ? "" : uri.getRawPath();
        String export = p.export(p.decoded(path.startsWith("/") ? path.substring(1) : path));
        String socket = p.socket(uri.getRawQuery());
        if (scheme.equals("nbd+unix")) {
            if (uri.getRawAuthority() != null) {
                throw p.wrong("names a host, and its socket has none");
            }
            if (socket.isEmpty()) {
                throw p.wrong("does not say which socket (?socket=PATH)");
            }
            return new NbdUri.Unix(p.path(socket), export);
        }
        if (!socket.isEmpty()) {
            throw p.wrong("names a socket, which nbd+unix:// would have");
        }
        String host = uri.getHost();
        if (host == null) {
            throw p.wrong("names no host");
        }
        if (uri.getRawUserInfo() != null) {
            throw p.wrong("names a user, which is for TLS alone, and that there is not");
        }
        if (host.startsWith("[")) {
            host = host.substring(1, host.length() - 1);
        }
        int port = uri.getPort() < 0 ? Nbd.PORT : uri.getPort();
        return new NbdUri.Tcp(host, p.port(port), export);
    }

    /** QEMU's older form; QEMU takes all that follows {@code exportname=} as the name. */
    static NbdUri qemu(String text) throws DiskException {
        NbdUriParser p = new NbdUriParser(text);
        String rest = text.substring("nbd:".length());
        int name = rest.indexOf(EXPORT);
        String export = name < 0 ? "" : p.export(rest.substring(name + EXPORT.length()));
        String where = name < 0 ? rest : rest.substring(0, name);
        if (where.startsWith("unix:")) {
            return new NbdUri.Unix(p.path(where.substring("unix:".length())), export);
        }
        int colon = where.lastIndexOf(':');
        if (colon <= 0) {
            throw p.wrong("is neither nbd:HOST:PORT nor nbd:unix:PATH");
        }
        String host = where.substring(0, colon);
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        }
        try {
            return new NbdUri.Tcp(host, p.port(Integer.parseInt(where.substring(colon + 1))), export);
        } catch (NumberFormatException e) {
            throw p.wrong("has a port that is no number");
        }
    }

    private String socket(@Nullable String query) throws DiskException {
        String socket = "";
        for (String parameter : query == null ? new String[0] : query.split("&")) {
            if (!parameter.startsWith("socket=")) {
                throw wrong("has a parameter that is not known");
            }
            socket = decoded(parameter.substring("socket=".length()));
        }
        return socket;
    }

    private Path path(String socket) throws DiskException {
        try {
            if (socket.isEmpty()) {
                throw wrong("does not say which socket");
            }
            return Path.of(socket);
        } catch (InvalidPathException e) {
            throw wrong("names a socket that is no path");
        }
    }

    private int port(int port) throws DiskException {
        if (port < 1 || port > 65535) {
            throw wrong("has a port that is not from 1 to 65535");
        }
        return port;
    }

    private String export(String name) throws DiskException {
        if (!Nbd.isName(name)) {
            throw wrong("names an export of more than 4096 bytes, or with a NUL");
        }
        return name;
    }

    /** Percent-encoding (RFC 3986 §2.1) of UTF-8; a plus sign is one. The URI's syntax has been checked. */
    private String decoded(String s) throws DiskException {
        byte[] in = s.getBytes(StandardCharsets.UTF_8);
        ByteBuffer out = ByteBuffer.allocate(in.length);
        for (int i = 0; i < in.length; i++) {
            if (in[i] == '%') {
                out.put((byte) Integer.parseInt(new String(in, i + 1, 2, StandardCharsets.ISO_8859_1), 16));
                i += 2;
            } else {
                out.put(in[i]);
            }
        }
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(out.flip()).toString();
        } catch (CharacterCodingException e) {
            throw wrong("has a name that is not UTF-8");
        }
    }

    private DiskException wrong(String what) {
        String shown = text.substring(0, Math.min(200, text.length())).replaceAll("\\p{Cntrl}", "?");
        return new DiskException("NBD address '" + shown + "' " + what);
    }
}
