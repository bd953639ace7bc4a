package serai.cpu;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodHandles.Lookup;
import java.lang.invoke.MethodType;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

/**
 * Makes copies of node classes with a constant built in.
 *
 * <p>ADD, SUB, AND … on bytes, words, doublewords and quadwords, with registers, immediates and memory: written out, that is some
 * hundred classes that differ in one expression; written once with a field for operation and size, every execution pays for two
 * unpredictable switches. So a template is written once, with its switch on {@code static final int SPEC}; each combination
 * that a guest uses becomes a hidden class of the same bytes with SPEC as class data, a constant for HotSpot, which then
 * compiles just the one arm. It also gives each combination a type profile of its own. A copy costs about 0.1 ms, once.
 */
final class Specializer {
    private static final Lookup LOOKUP = MethodHandles.lookup();
    private static final Map<Long, MethodHandle> FACTORIES = new HashMap<>();
    private static final Map<Class<?>, byte[]> BYTES = new HashMap<>();
    private static final MethodType CONSTRUCTOR = MethodType.methodType(void.class, Decoded.class);
    private static final MethodType FACTORY = MethodType.methodType(Node.class, Decoded.class);

    /** For the initializer of a template's SPEC: its constant, or 0 in the template itself. */
    static int spec(Lookup lookup) {
        try {
            Integer i = MethodHandles.classData(lookup, "_", Integer.class);
            return i == null ? 0 : i;
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * A node of the copy of {@code template} with constant {@code spec}.
     *
     * @param id a number of its own for each template, to look it up by
     */
    static synchronized Node make(Class<? extends Node> template, int id, int spec, Decoded d) {
        MethodHandle h = FACTORIES.computeIfAbsent((long) id << 32 | spec, k -> define(template, spec));
        try {
            return (Node) h.invokeExact(d);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static MethodHandle define(Class<?> template, int spec) {
        try {
            byte[] bytes = BYTES.computeIfAbsent(template, Specializer::bytes);
            Lookup hidden = LOOKUP.defineHiddenClassWithClassData(bytes, spec, true);
            return hidden.findConstructor(hidden.lookupClass(), CONSTRUCTOR).asType(FACTORY);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] bytes(Class<?> template) {
        String name = template.getName();
        try (InputStream in = template.getResourceAsStream(name.substring(name.lastIndexOf('.') + 1) + ".class")) {
            return Objects.requireNonNull(in, name).readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Specializer() {}
}
