package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import serai.machine.engine.CpuFeature;

/** Nodes outlive the instruction they are made from: the decoder uses its result again for the next one. */
class NodeFactoryTest {
    private static final int[][] PREFIXES = {{}, {0x66}, {0xf2}, {0xf3}, {0x48}, {0x65, 0x66, 0x48}};
    private static final int[][] MAPS = {{}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
    private static final int[] MOD = {0x00, 0xc0};

    private final Map<Class<?>, List<Field>> fields = new HashMap<>();
    private final Set<InstructionRow> seen = new HashSet<>();
    private final Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
    private int[] code = {};

    @Test
    void noNodeRefersToTheDecodedInstruction() throws IllegalAccessException {
        for (int[] map : MAPS) {
            for (int opcode = 0; opcode < 256; opcode++) {
                for (int[] prefix : PREFIXES) {
                    modes(prefix, map, opcode);
                }
                for (int pp = 0; pp < 4 && map.length > 0; pp++) {
                    for (int w = 0; w < 4; w++) {
                        int m = map.length == 1 ? 1 : map[1] == 0x38 ? 2 : 3;
                        modes(new int[] {0xc4, 0xe0 | m, (w & 1) << 7 | 0x78 | (w & 2) << 1 | pp}, new int[0], opcode);
                    }
                }
            }
        }
        List<String> missed = new ArrayList<>();
        for (InstructionRow r : InstructionTable.INSTANCE.rows()) {
            if (!seen.contains(r)) {
                missed.add(r.source() + " " + r.mnemonic());
            }
        }
        assertEquals(List.of(), missed, "rows that no instruction was made of");
    }

    private void modes(int[] prefix, int[] map, int opcode) throws IllegalAccessException {
        int n = prefix.length + map.length;
        code = new int[n + 14];
        System.arraycopy(prefix, 0, code, 0, prefix.length);
        System.arraycopy(map, 0, code, prefix.length, map.length);
        code[n] = opcode;
        for (int mod : MOD) {
            for (int rest = 0; rest < 64; rest++) {
                code[n + 1] = mod | rest;
                for (int size = 2; size <= 8; size *= 2) {
                    one(size);
                }
            }
        }
    }

    private void one(int size) throws IllegalAccessException {
        Decoded d = new Decoded();
        if (decoder.decode(d, i -> code[i], size, size) != Decoder.Result.OK) {
            return;
        }
        if ((code[code.length - 13] & 0x27) != 0 && seen.contains(d.row)) {
            return; // the first two registers of each operation are enough
        }
        seen.add(d.row);
        Object holder = holder(NodeFactory.make(d));
        assertTrue(holder == null, () -> d.row.source() + " " + d.row.mnemonic() + ": kept by " + holder);
    }

    /** What refers to a {@link Decoded} or its arrays' owner, from a node on; null if nothing does. */
    private @Nullable Object holder(Object node) throws IllegalAccessException {
        Set<Object> met = Collections.newSetFromMap(new IdentityHashMap<>());
        Deque<Object> open = new ArrayDeque<>(List.of(node));
        while (!open.isEmpty()) {
            Object o = open.pop();
            for (Field f : fields.computeIfAbsent(o.getClass(), NodeFactoryTest::references)) {
                Object value = f.get(o);
                if (value instanceof Decoded) {
                    return o;
                }
                if (value != null && value.getClass().getPackageName().equals("serai.cpu") && met.add(value)) {
                    open.push(value);
                }
            }
        }
        return null;
    }

    private static List<Field> references(Class<?> type) {
        List<Field> all = new ArrayList<>();
        for (Class<?> c = type; c != null && c.getPackageName().equals("serai.cpu"); c = c.getSuperclass()) {
            for (Field f : c.getDeclaredFields()) {
                if (!Modifier.isStatic(f.getModifiers()) && !f.getType().isPrimitive()) {
                    f.setAccessible(true);
                    all.add(f);
                }
            }
        }
        return all;
    }
}
