package serai.storage.nbd;

import java.util.List;
import java.util.Optional;

/** What a negotiation has to know of the server. */
interface Exports {
    /** The export of that name. */
    Optional<ServedExport> find(String name);

    /** All there are. */
    List<NbdExport> list();
}
