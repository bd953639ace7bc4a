package serai.storage.luks;

import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import serai.storage.DiskException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * An object in the JSON of a LUKS2 header, and where it stands. What is not there or is of another kind is refused by name. Numbers of 64
 * bits are strings there (specification §3).
 */
record Json(HeaderFile from, String where, ObjectNode node) {
    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(32)
                            .maxNumberLength(32)
                            .maxNameLength(4096)
                            .maxStringLength(Luks2Header.MOST)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    static Json parse(HeaderFile from, byte[] text) throws DiskException {
        JsonNode node;
        try {
            node = MAPPER.readTree(text);
        } catch (JacksonException e) {
            throw from.damaged("its metadata is not sound JSON (%s)", HeaderFile.printable(e.getOriginalMessage()));
        }
        if (node instanceof ObjectNode o) {
            return new Json(from, "metadata", o);
        }
        throw from.damaged("its metadata is no JSON object");
    }

    byte[] bytes() {
        return MAPPER.writeValueAsBytes(node);
    }

    private DiskException wrong(String name, String what) {
        return from.damaged("%s has %s '%s'", where, what, HeaderFile.printable(name));
    }

    boolean has(String name) {
        return node.has(name);
    }

    /** An object in it. */
    Json object(String name) throws DiskException {
        if (node.get(name) instanceof ObjectNode o) {
            return new Json(from, where.equals("metadata") ? name : where + " " + HeaderFile.printable(name), o);
        }
        throw wrong(name, "no object");
    }

    /** All in it, by their numbers; at most {@code most} of them, which are called 0 to {@code most - 1}. */
    List<Map.Entry<Integer, Json>> objects(int most, String what) throws DiskException {
        List<Map.Entry<Integer, Json>> all = new ArrayList<>();
        for (String name : node.propertyNames()) {
            if (!name.matches("\\d{1,3}") || Integer.parseInt(name) >= most) {
                throw from.damaged(
                        "%s has '%s', and they have numbers below %d", where, HeaderFile.printable(name), most);
            }
            if (!(node.get(name) instanceof ObjectNode o)) {
                throw wrong(name, "no object");
            }
            all.add(Map.entry(Integer.parseInt(name), new Json(from, what + " " + name, o)));
        }
        return all;
    }

    String text(String name) throws DiskException {
        JsonNode n = node.get(name);
        if (n == null || !n.isString()) {
            throw wrong(name, "no text");
        }
        return n.stringValue();
    }

    /** A text fit for a message. */
    String word(String name) throws DiskException {
        return HeaderFile.printable(text(name));
    }

    int number(String name) throws DiskException {
        JsonNode n = node.get(name);
        if (n == null || !n.isInt() || n.intValue() < 0) {
            throw wrong(name, "no number");
        }
        return n.intValue();
    }

    /** One that is a string of digits. */
    long longNumber(String name) throws DiskException {
        String s = text(name);
        if (!s.matches("\\d{1,18}")) {
            throw wrong(name, "no number");
        }
        return Long.parseLong(s);
    }

    byte[] base64(String name, int most) throws DiskException {
        String s = text(name);
        try {
            byte[] bytes =
                    s.length() > most * 2 ? new byte[0] : Base64.getDecoder().decode(s);
            if (bytes.length > 0 && bytes.length <= most) {
                return bytes;
            }
        } catch (IllegalArgumentException e) {
            // the same as too many
        }
        throw from.damaged("%s has no 1 to %d bytes as Base64 in '%s'", where, most, name);
    }

    /** A list of texts; none if it is not there. */
    List<String> texts(String name) throws DiskException {
        List<String> all = new ArrayList<>();
        if (node.has(name)) {
            if (!node.get(name).isArray()) {
                throw wrong(name, "no list");
            }
            for (JsonNode n : node.get(name)) {
                if (!n.isString()) {
                    throw wrong(name, "a list of others than texts in");
                }
                all.add(n.stringValue());
            }
        }
        return all;
    }
}
