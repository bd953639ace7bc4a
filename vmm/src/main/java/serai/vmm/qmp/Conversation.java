package serai.vmm.qmp;

import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** What a client says and is answered, without the connection: negotiation, commands, errors. */
final class Conversation {
    private final CommandTable table;
    private volatile boolean negotiated;

    Conversation(CommandTable table) {
        this.table = table;
    }

    /** Whether the client has negotiated; it gets no events before. */
    boolean negotiated() {
        return negotiated;
    }

    /** Does what a message asks for; the answer, which may be an error. */
    ObjectNode answer(byte[] message) {
        JsonNode id = null;
        ObjectNode answer;
        try {
            ObjectNode request = parse(message);
            id = request.get("id");
            new Arguments(request).only(List.of("execute", "arguments", "id"));
            String name = new Arguments(request).string("execute");
            Arguments arguments = request.has("arguments")
                    ? new Arguments(request).object("arguments")
                    : new Arguments(Json.object());
            answer = Json.object();
            answer.set("return", execute(name, arguments));
        } catch (QmpException e) {
            answer = error(e);
        } catch (RuntimeException e) {
            answer = error(bug(e));
        }
        if (id != null) {
            answer.set("id", id);
        }
        return answer;
    }

    private static ObjectNode parse(byte[] message) throws QmpException {
        @Nullable JsonNode parsed;
        try {
            parsed = Json.MAPPER.readTree(message);
        } catch (JacksonException e) {
            throw new QmpException("Invalid JSON syntax");
        }
        if (!(parsed instanceof ObjectNode request)) {
            throw new QmpException("QMP input must be a JSON object");
        }
        return request;
    }

    private JsonNode execute(String name, Arguments arguments) throws QmpException {
        if (name.equals("qmp_capabilities")) {
            if (negotiated) {
                throw new QmpException(
                        QmpException.ErrorClass.COMMAND_NOT_FOUND,
                        "Capabilities negotiation is already complete, command ignored");
            }
            arguments.only(List.of("enable")); // none is offered, so what it names is of no effect
            negotiated = true;
            return Json.object();
        }
        if (!negotiated) {
            throw new QmpException(
                    QmpException.ErrorClass.COMMAND_NOT_FOUND,
                    "Expecting capabilities negotiation with 'qmp_capabilities'");
        }
        return table.execute(name, arguments);
    }

    /** The one thing that a client can't be blamed for. */
    private static QmpException bug(RuntimeException e) {
        System.getLogger("serai.qmp").log(System.Logger.Level.WARNING, "a command failed: {0}", e.toString());
        return new QmpException("an error in Serai itself: " + e);
    }

    /** A refusal as the client gets it. */
    static ObjectNode error(QmpException e) {
        ObjectNode answer = Json.object();
        answer.putObject("error").put("class", e.errorClass().word).put("desc", String.valueOf(e.getMessage()));
        return answer;
    }
}
