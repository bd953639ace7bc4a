package serai.storage.luks;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;

/** How a sector's number becomes its initialization vector, by the names of dm-crypt. */
enum IvGenerator {
    /** 32 bits of it, little-endian. */
    PLAIN("plain"),
    /** 64 bits of it, little-endian. */
    PLAIN64("plain64"),
    /** 64 bits of it, big-endian, at the end of the vector. */
    PLAIN64BE("plain64be"),
    /** As plain64, encrypted with a hash of the key. */
    ESSIV("essiv");

    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final String word;

    IvGenerator(String word) {
        this.word = word;
    }

    String word() {
        return word;
    }

    static Optional<IvGenerator> named(String word) {
        return Arrays.stream(values()).filter(g -> g.word.equals(word)).findFirst();
    }

    static String words() {
        return Arrays.stream(values()).map(IvGenerator::word).collect(Collectors.joining(", "));
    }

    /** Writes the vectors of {@code count} sectors, 16 bytes each; ESSIV's are still to be encrypted. */
    void fill(byte[] to, long sector, int step, int count) {
        for (int i = 0; i < count; i++) {
            long n = sector + (long) i * step;
            LONG.set(to, i * 16, this == PLAIN64BE ? 0 : this == PLAIN ? n & 0xffff_ffffL : n);
            LONG.set(to, i * 16 + 8, this == PLAIN64BE ? Long.reverseBytes(n) : 0);
        }
    }
}
