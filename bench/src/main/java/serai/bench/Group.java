package serai.bench;

import java.util.Arrays;
import java.util.stream.Collectors;

/** What a program is chiefly made of, in the order of the table. */
enum Group {
    INTEGER("integer"),
    MEMORY("memory"),
    CALLS("calls"),
    INDIRECT_BRANCHES("indirect branches"),
    SCALAR_FLOATING_POINT("scalar floating point"),
    PACKED_FLOATING_POINT("packed floating point"),
    STRINGS("strings"),
    KERNEL("kernel"),
    /** What Debian has packaged. */
    DEBIAN("Debian");

    private final String title;

    Group(String title) {
        this.title = title;
    }

    String title() {
        return title;
    }

    static Group of(String title) {
        return Arrays.stream(values())
                .filter(g -> g.title.equals(title))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no group '%s': one of %s"
                        .formatted(
                                title, Arrays.stream(values()).map(Group::title).collect(Collectors.joining(", ")))));
    }
}
