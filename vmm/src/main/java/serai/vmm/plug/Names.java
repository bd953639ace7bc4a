package serai.vmm.plug;

/** Names that users give: as QEMU takes them, a letter first. */
final class Names {
    private Names() {}

    static void check(String what, String name) throws PlugException {
        if (!name.matches("[A-Za-z][A-Za-z0-9._-]{0,30}")) {
            throw new PlugException(what + " '" + name.replaceAll("\\p{Cntrl}", "?")
                    + "' is not a letter and at most 30 letters, digits, '.', '_' and '-'");
        }
    }
}
