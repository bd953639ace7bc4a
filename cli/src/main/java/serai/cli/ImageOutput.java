package serai.cli;

import java.io.PrintWriter;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;

/** {@code --output}: text for people, or JSON with the names that qemu-img has. */
final class ImageOutput {
    /** The kinds. */
    enum Kind {
        human,
        json
    }

    @Option(
            names = "--output",
            paramLabel = "human|json",
            description = "How it is told: for people, or as JSON with qemu-img's names.")
    private Kind kind = Kind.human;

    boolean json() {
        return kind == Kind.json;
    }

    void write(PrintWriter out, JsonNode node) {
        out.println(node.toPrettyString());
    }
}
