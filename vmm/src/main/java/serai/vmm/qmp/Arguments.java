package serai.vmm.qmp;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The arguments of a command, by name and type; each method refuses what is of another type. */
public final class Arguments {
    private final ObjectNode values;

    /** Of a command, or of an argument that is an object itself. */
    public Arguments(ObjectNode values) {
        this.values = values;
    }

    /** The names given, in their order. */
    public List<String> names() {
        return List.copyOf(values.propertyNames());
    }

    /** Whether it is given. */
    public boolean has(String name) {
        return values.has(name);
    }

    /** A string. */
    public String string(String name) throws QmpException {
        String s = optionalString(name);
        if (s == null) {
            throw missing(name);
        }
        return s;
    }

    /** A string, or null if it is not given. */
    public @Nullable String optionalString(String name) throws QmpException {
        JsonNode v = values.get(name);
        if (v == null) {
            return null;
        }
        if (!v.isString()) {
            throw wrong(name, "string");
        }
        return v.stringValue();
    }

    /** A truth value, {@code otherwise} if it is not given. As with QEMU, "on" and "off" will do in a {@code device_add}. */
    public boolean bool(String name, boolean otherwise) throws QmpException {
        JsonNode v = values.get(name);
        if (v == null) {
            return otherwise;
        }
        if (v.isString() && (v.stringValue().equals("on") || v.stringValue().equals("off"))) {
            return v.stringValue().equals("on");
        }
        if (!v.isBoolean()) {
            throw wrong(name, "boolean");
        }
        return v.booleanValue();
    }

    /** An integer within bounds, as a number or as its digits in a string. */
    public long integer(String name, long min, long max) throws QmpException {
        JsonNode v = values.get(name);
        if (v == null) {
            throw missing(name);
        }
        BigInteger n;
        if (v.isIntegralNumber()) {
            n = v.bigIntegerValue();
        } else if (v.isString() && v.stringValue().matches("\\d{1,19}")) {
            n = new BigInteger(v.stringValue());
        } else {
            throw wrong(name, "integer");
        }
        if (n.compareTo(BigInteger.valueOf(min)) < 0 || n.compareTo(BigInteger.valueOf(max)) > 0) {
            throw new QmpException("Parameter '%s' must be from %d to %d".formatted(name, min, max));
        }
        return n.longValue();
    }

    /** A size in bytes: a number, its digits in a string, or such a string with K, M, G or T behind it. */
    public long size(String name) throws QmpException {
        JsonNode v = values.get(name);
        if (v != null && v.isString() && v.stringValue().matches("\\d{1,9}[KMGT]")) {
            String s = v.stringValue();
            int shift = 10 * ("KMGT".indexOf(s.charAt(s.length() - 1)) + 1);
            long n = Long.parseLong(s, 0, s.length() - 1, 10);
            if (n <= Long.MAX_VALUE >> shift) {
                return n << shift;
            }
        }
        return integer(name, 0, Long.MAX_VALUE);
    }

    /** An object's values. */
    public Arguments object(String name) throws QmpException {
        JsonNode v = values.get(name);
        if (v == null) {
            throw missing(name);
        }
        if (!(v instanceof ObjectNode o)) {
            throw wrong(name, "object");
        }
        return new Arguments(o);
    }

    /** An array's values; none if it is not given. */
    public List<JsonNode> array(String name) throws QmpException {
        JsonNode v = values.get(name);
        if (v == null) {
            return List.of();
        }
        if (!(v instanceof ArrayNode a)) {
            throw wrong(name, "array");
        }
        return List.copyOf(a.values());
    }

    /** An array's values, which are objects. */
    public List<Arguments> objects(String name) throws QmpException {
        List<Arguments> all = new ArrayList<>();
        for (JsonNode n : array(name)) {
            if (!(n instanceof ObjectNode o)) {
                throw wrong(name, "object");
            }
            all.add(new Arguments(o));
        }
        return all;
    }

    /** Refuses names beside these. */
    public void only(List<String> known) throws QmpException {
        for (String n : values.propertyNames()) {
            if (!known.contains(n)) {
                throw new QmpException("Parameter '" + n + "' is unexpected");
            }
        }
    }

    private static QmpException missing(String name) {
        return new QmpException("Parameter '" + name + "' is missing");
    }

    private static QmpException wrong(String name, String type) {
        return new QmpException("Invalid parameter type for '" + name + "', expected: " + type);
    }
}
