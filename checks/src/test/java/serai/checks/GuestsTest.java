package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import serai.kvm.KvmProbe;

/** Every guest of guests/guests.txt ends on each engine as its entry says. */
@Tag("e2e")
final class GuestsTest {
    private static final KvmProbe KVM = KvmProbe.measure();

    static List<Guest> all() {
        return Guests.all();
    }

    static List<Guest> forKvm() {
        return Guests.all().stream().filter(g -> g.kvm() != Guest.Kvm.NONE).toList();
    }

    @ParameterizedTest
    @MethodSource("all")
    void endsAsListedOnTheJavaEngine(Guest guest) throws Exception {
        run(guest, "java");
    }

    @ParameterizedTest
    @MethodSource("forKvm")
    void endsAsListedOnTheKvmEngine(Guest guest) throws Exception {
        assumeTrue(KVM.present(), "capability: kvm");
        assumeTrue(guest.kvm() == Guest.Kvm.ANY || KVM.available(), "capability: kvm-ring0");
        run(guest, "kvm");
    }

    private static void run(Guest guest, String engine) throws Exception {
        List<String> words = new ArrayList<>(List.of(
                "kernel=" + Guests.binary(guest),
                "engine=" + engine,
                "memory=64M",
                "serial=null",
                "debugcon=stdio",
                "debug-exit=0xf4",
                "timeout=60"));
        words.addAll(guest.options());
        Vmm.Result r = Vmm.run(words);
        assertEquals(guest.transcript(), r.out(), r.err());
        assertEquals(guest.status(), r.status(), r.err());
        assertTrue(r.lastError().contains(guest.error()), r.err());
        assertTrue(r.err().startsWith("serai: engine " + engine + ": "), r.err());
    }
}
