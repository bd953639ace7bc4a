package serai.checks;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/** The table of modules in ARCHITECTURE.md: arrows point down, and only where it says so. */
final class ModuleArrowsTest {
    private static final JavaClasses ALL = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("serai");

    /** What each module may use of ours. */
    private static final Map<String, List<String>> MAY_USE = new TreeMap<>(Map.ofEntries(
            Map.entry("fuzz", List.of()),
            Map.entry("linux", List.of()),
            Map.entry("storage", List.of("linux")),
            Map.entry("network", List.of("linux")),
            Map.entry("machine", List.of()),
            Map.entry("cpu", List.of("machine", "linux")),
            Map.entry("kvm", List.of("machine", "linux")),
            Map.entry("vmm", List.of("linux", "storage", "network", "machine", "cpu", "kvm")),
            Map.entry("image", List.of("storage")),
            Map.entry("cli", List.of("image", "storage")),
            Map.entry("bench", List.of("linux", "storage", "network", "machine", "cpu", "kvm", "vmm", "image", "cli")),
            Map.entry(
                    "checks",
                    List.of("linux", "storage", "network", "machine", "cpu", "kvm", "vmm", "image", "cli", "bench"))));

    static final List<String> MODULES = List.copyOf(MAY_USE.keySet());

    @ParameterizedTest
    @FieldSource("MODULES")
    void usesOnlyWhatTheTableAllows(String module) {
        String[] forbidden = MODULES.stream()
                .filter(m -> !m.equals(module)
                        && !MAY_USE.getOrDefault(module, List.of()).contains(m))
                .map(m -> "serai." + m + "..")
                .toArray(String[]::new);
        if (forbidden.length > 0) {
            noClasses()
                    .that()
                    .resideInAPackage("serai." + module + "..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(forbidden)
                    .allowEmptyShould(true)
                    .check(ALL);
        }
    }

    @Test
    void everyClassIsInAModuleOfTheTable() {
        classes()
                .should()
                .resideInAnyPackage(
                        MODULES.stream().map(m -> "serai." + m + "..").toArray(String[]::new))
                .check(ALL);
    }

    @Test
    void modulesHaveNoCycles() {
        slices().matching("serai.(*)..").should().beFreeOfCycles().check(ALL);
    }

    @Test
    void onlyLinuxLinksNativeCode() {
        noClasses()
                .that()
                .resideOutsideOfPackage("serai.linux..")
                .should()
                .dependOnClassesThat()
                .haveFullyQualifiedName("java.lang.foreign.Linker")
                .check(ALL);
    }

    @Test
    void onlyGuestMemoryUsesUnsafe() {
        noClasses()
                .that()
                .doNotHaveFullyQualifiedName("serai.machine.memory.GuestMemory")
                .should()
                .dependOnClassesThat(com.tngtech.archunit.base.DescribedPredicate.describe(
                        "are Unsafe", (JavaClass c) -> c.getSimpleName().equals("Unsafe")))
                .check(ALL);
    }

    @Test
    void deterministicPartsAskNoHostClock() {
        noClasses()
                .that()
                .resideInAnyPackage("serai.machine..", "serai.cpu..")
                .and()
                .doNotHaveSimpleName("RealClock")
                .should()
                .callMethod(System.class, "nanoTime")
                .orShould()
                .callMethod(System.class, "currentTimeMillis")
                .orShould()
                .callMethod(Math.class, "random")
                .check(ALL);
    }
}
