package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;
import serai.cpu.StringRoutines.Operation;

/** The room that the routines of string instructions have. */
final class StringRoutinesTest {
    @Test
    void allOfThemFit() {
        try (Arena arena = Arena.ofConfined()) {
            long start = arena.allocate(4L * StringRoutines.SIZE, 64).address();
            Assembler a = new Assembler(start, 0);
            StringRoutines routines = new StringRoutines(a);
            for (int table = 0; table < 2 * UnitKind.TABLES; table++) {
                int kind = UnitKind.ofJumpTable(table);
                for (Operation o : Operation.values()) {
                    for (int shift = 0; shift < (UnitKind.is32(kind) ? 3 : 4); shift++) {
                        routines.get(o, true, shift, kind);
                        routines.get(o, false, shift, kind);
                    }
                }
            }
            long bytes = a.at() - start;
            assertTrue(bytes > 0 && bytes <= StringRoutines.SIZE, bytes + " bytes");
        }
    }
}
