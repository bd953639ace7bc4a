package serai.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code serai qmp}. */
@Command(
        name = "qmp",
        description = {
            "Sends one command to the control socket of a virtual machine, and prints what it answers as JSON.",
            "The commands are QEMU's, as query-commands lists them. A value that is JSON (a number, true, {...}) is sent as"
                    + " such, any other as a string; a dot in a key goes into an object."
        },
        customSynopsis = "serai qmp [--wait-event NAME] PATH COMMAND [KEY=VALUE]...",
        sortOptions = false,
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {"0:done", "2:usage", "6:the machine refused the command", "8:nobody answers at PATH"},
        footer = {
            "",
            "Examples:",
            "  serai run tiny --qmp vm.sock",
            "  serai qmp vm.sock query-status",
            "  serai qmp vm.sock blockdev-add driver=raw node-name=d1 file.driver=file file.filename=/tmp/d1.raw",
            "  serai qmp vm.sock device_add driver=virtio-blk-pci id=disk1 drive=d1",
            "  serai qmp vm.sock device_del id=disk1 --wait-event DEVICE_DELETED",
            "  serai qmp vm.sock qom-set path=virtiomem0 property=requested-size value=1G",
            "  serai qmp vm.sock query-memory-devices"
        })
final class QmpCommand implements Callable<Integer> {
    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Shows this help.")
    @SuppressWarnings("UnusedVariable") // picocli acts on it
    private boolean help;

    @Option(
            names = "--wait-event",
            paramLabel = "NAME",
            description = "Waits for this event after the command is done, and prints it, too.")
    private String event = "";

    @Parameters(index = "0", paramLabel = "PATH", description = "The socket that --qmp has made.")
    private Path path = Path.of("");

    @Parameters(index = "1", paramLabel = "COMMAND", description = "Such as query-status.")
    private String command = "";

    @Parameters(index = "2..*", paramLabel = "KEY=VALUE", description = "Its arguments.")
    private List<String> arguments = new ArrayList<>();

    private static final JsonMapper MAPPER = new JsonMapper();

    @Override
    public Integer call() throws CliException {
        ObjectNode request = JsonNodeFactory.instance.objectNode().put("execute", command);
        ObjectNode values = request.putObject("arguments");
        for (String a : arguments) {
            put(values, a);
        }
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
            BufferedReader in =
                    new BufferedReader(new InputStreamReader(Channels.newInputStream(channel), StandardCharsets.UTF_8));
            if (!read(in).has("QMP")) {
                throw new CliException(Status.HOST, "what answers at " + path + " does not speak QMP");
            }
            List<JsonNode> events = new ArrayList<>();
            send(channel, JsonNodeFactory.instance.objectNode().put("execute", "qmp_capabilities"));
            answer(in, events);
            send(channel, request);
            System.out.println(answer(in, events).toPrettyString());
            if (!event.isEmpty()) {
                JsonNode e = events.stream().filter(this::wanted).findFirst().orElse(null);
                while (e == null) {
                    JsonNode next = read(in);
                    e = wanted(next) ? next : null;
                }
                System.out.println(e.toPrettyString());
            }
            return Status.OK;
        } catch (IOException e) {
            throw new CliException(Status.HOST, "nobody answers at " + path + ": " + e.getMessage(), e);
        } catch (JacksonException e) {
            throw new CliException(Status.HOST, "what answers at " + path + " does not speak QMP", e);
        }
    }

    private boolean wanted(JsonNode message) {
        return message.path("event").asString("").equals(event);
    }

    private static void send(SocketChannel channel, ObjectNode message) throws IOException {
        ByteBuffer b = ByteBuffer.wrap((message + "\n").getBytes(StandardCharsets.UTF_8));
        while (b.hasRemaining()) {
            channel.write(b);
        }
    }

    private static JsonNode read(BufferedReader in) throws IOException {
        String line = in.readLine();
        if (line == null) {
            throw new IOException("the connection was closed");
        }
        return MAPPER.readTree(line);
    }

    /** What is returned; events that come before it are kept. */
    private static JsonNode answer(BufferedReader in, List<JsonNode> events) throws IOException, CliException {
        while (true) {
            JsonNode m = read(in);
            if (m.has("return")) {
                return m.path("return");
            }
            if (m.has("error")) {
                throw new CliException(
                        Status.INPUT, m.path("error").path("desc").asString("the command was refused"));
            }
            events.add(m);
        }
    }

    private static void put(ObjectNode into, String argument) throws CliException {
        int eq = argument.indexOf('=');
        if (eq <= 0) {
            throw CliException.usage("'" + argument + "' is not KEY=VALUE");
        }
        String[] keys = argument.substring(0, eq).split("\\.", -1);
        ObjectNode o = into;
        for (int i = 0; i < keys.length - 1; i++) {
            o = o.withObjectProperty(keys[i]);
        }
        o.set(keys[keys.length - 1], value(argument.substring(eq + 1)));
    }

    private static JsonNode value(String text) {
        if (text.matches("-?\\d{1,18}|true|false|null|\\{.*\\}|\\[.*\\]")) {
            try {
                return MAPPER.readTree(text);
            } catch (JacksonException e) {
                return JsonNodeFactory.instance.stringNode(text);
            }
        }
        return JsonNodeFactory.instance.stringNode(text);
    }
}
