package serai.vmm;

/** The words of one group of options: it takes those it knows, and makes its part of the {@link VmConfig} of them in the end. */
interface WordGroup {
    /**
     * Takes a word.
     *
     * @return false if it is none of this group's
     * @throws VmmException with status 2 if it is, and the value is not one that it can have
     */
    boolean take(String key, String value) throws VmmException;
}
