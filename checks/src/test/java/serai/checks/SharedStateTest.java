package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.lang.reflect.Field;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * vCPUs run at the same time, each on a thread of its own, and share what is static: such collections are immutable or made for several
 * threads.
 */
final class SharedStateTest {
    /** Those of which a comment says how they are guarded. */
    private static final Set<String> GUARDED = Set.of(
            "serai.cpu.Specializer.FACTORIES", "serai.cpu.Specializer.BYTES" // by the class's lock, in make
            );

    private static final List<String> SAFE = List.of("Immutable", "Unmodifiable", "Concurrent", "CopyOnWrite", "Empty");

    @Test
    void staticCollectionsAreImmutableOrConcurrent() throws ReflectiveOperationException {
        Set<String> wrong = new TreeSet<>();
        int seen = 0;
        for (JavaClass c : new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .importPackages(
                        "serai.cpu", "serai.machine", "serai.linux", "serai.kvm", "serai.storage", "serai.vmm")) {
            for (JavaField f : c.getFields()) {
                if (f.getModifiers().contains(JavaModifier.STATIC)
                        && (f.getRawType().isAssignableTo(Collection.class)
                                || f.getRawType().isAssignableTo(Map.class))) {
                    seen++;
                    Field field = Class.forName(c.getName()).getDeclaredField(f.getName());
                    field.setAccessible(true);
                    Object value = field.get(null);
                    String type = value == null ? "null" : value.getClass().getName();
                    if (!GUARDED.contains(c.getName() + "." + f.getName())
                            && SAFE.stream().noneMatch(type::contains)) {
                        wrong.add(c.getName() + "." + f.getName() + " is a " + type);
                    }
                }
            }
        }
        assertEquals(Set.of(), wrong);
        assertTrue(seen > 3, "the look has found " + seen);
    }
}
