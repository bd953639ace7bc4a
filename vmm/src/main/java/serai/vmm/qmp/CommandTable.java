package serai.vmm.qmp;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;

/** The commands by name. Filled before the server listens. */
public final class CommandTable {
    /** What a command does. */
    @FunctionalInterface
    public interface Action {
        /**
         * Does it, on the client's own thread.
         *
         * @return what the client gets as {@code return}
         * @throws QmpException if it is refused; then nothing has been changed
         */
        JsonNode execute(Arguments arguments) throws QmpException;
    }

    private record Command(List<String> required, List<String> known, Action action) {}

    private final Map<String, Command> commands = new TreeMap<>();

    /**
     * Adds a command.
     *
     * @param required arguments that must be given
     * @param optional arguments that may
     */
    public void add(String name, List<String> required, List<String> optional, Action action) {
        List<String> known = new ArrayList<>(required);
        known.addAll(optional);
        commands.put(name, new Command(required, known, action));
    }

    /** Adds a command without arguments. */
    public void add(String name, Action action) {
        add(name, List.of(), List.of(), action);
    }

    /** The names, as {@code query-commands} gives them. */
    ArrayNode names() {
        ArrayNode a = Json.array();
        for (String n : commands.keySet()) {
            a.add(Json.object().put("name", n));
        }
        return a;
    }

    JsonNode execute(String name, Arguments arguments) throws QmpException {
        Command c = commands.get(name);
        if (c == null) {
            throw new QmpException(
                    QmpException.ErrorClass.COMMAND_NOT_FOUND, "The command " + name + " has not been found");
        }
        arguments.only(c.known);
        for (String r : c.required) {
            if (!arguments.has(r)) {
                throw new QmpException("Parameter '" + r + "' is missing");
            }
        }
        return c.action.execute(arguments);
    }
}
