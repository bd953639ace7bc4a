package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

final class GuestsFileTest {
    @Test
    void everySourceIsListedOnceAndEveryEntryHasASource() throws IOException {
        List<String> listed = Guests.all().stream().map(Guest::name).toList();
        TreeSet<String> sources;
        try (Stream<java.nio.file.Path> s = Files.list(Guests.root().resolve("guests"))) {
            sources = s.map(p -> p.getFileName().toString())
                    .filter(n -> n.endsWith(".s"))
                    .map(n -> n.substring(0, n.length() - 2))
                    .collect(Collectors.toCollection(TreeSet::new));
        }
        assertEquals(sources, new TreeSet<>(listed));
        assertEquals(sources.size(), listed.size());
    }

    @Test
    void allButThoseThatEndBadlyHaveATranscript() {
        for (Guest g : Guests.all()) {
            assertTrue(!g.transcript().isEmpty() || g.status() != 33, g.name());
        }
    }
}
