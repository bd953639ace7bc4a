package serai.vmm.plug;

/** Names that users give: as QEMU takes them, a letter first. */
final class Names {
    private Names() {}

    static void check(String what, String name) throws PlugException {
        if (!name.matches("[A-Za-z][A-Za-z0-9._-]{0,30}")) {
            throw new PlugException(what + " '" + printable(name)
                    + "' is not a letter and at most 30 letters, digits, '.', '_' and '-'");
        }
    }

    /** One that is none, fit for a message. */
    static String printable(String name) {
        return name.replaceAll("\\p{Cntrl}", "?");
    }
}
