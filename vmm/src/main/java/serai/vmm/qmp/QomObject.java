package serai.vmm.qmp;

import tools.jackson.databind.JsonNode;

/** A device as {@code qom-get} and {@code qom-set} see it, by its id. */
interface QomObject {
    /** Its id, at {@code /machine/peripheral}. */
    String id();

    /** A property's value. */
    JsonNode get(String property) throws QmpException;

    /** Sets a property to the argument {@code value}. */
    void set(String property, Arguments arguments) throws QmpException;
}
