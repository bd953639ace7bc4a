package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The words of the frame that translated code and Java share. */
final class HostFrameTest {
    /** Bytes below RSP that signals spare. */
    private static final int RED_ZONE = 128;

    @Test
    void noTwoWordsAreAtTheSamePlaceAndAllAreWithinTheFrame() throws IllegalAccessException {
        Map<Integer, String> names = new HashMap<>();
        for (Field f : HostFrame.class.getDeclaredFields()) {
            boolean value = f.getName().equals("SYSCALL") || f.getName().equals("SYSRET"); // of TRANSITION
            if (!Modifier.isStatic(f.getModifiers())
                    || f.getType() != int.class
                    || value
                    || f.getName().equals("SPILLED")
                    || f.getName().equals("SHARED")) { // in words of guest registers that have none while it is used
                continue;
            }
            f.setAccessible(true);
            int at = f.getInt(null);
            assertEquals(null, names.put(at, f.getName()), f.getName() + " at " + at);
            assertTrue(at >= -RED_ZONE && at < VcpuContext.READ_TLB, f.getName());
        }
        assertTrue(names.size() > 30, names.toString());
    }
}
