package serai.checks;

import java.util.List;

/**
 * One entry of guests/guests.txt, which says what the fields mean.
 *
 * @param name of the source without {@code .s}
 * @param kvm on which KVM it can run
 * @param options further words for the VMM
 * @param status how the VMM has to end
 * @param error words that the VMM's last sentence has to have; empty for none
 * @param transcript what the guest has to print on port 0xe9
 */
public record Guest(String name, Kvm kvm, List<String> options, int status, String error, String transcript) {
    /** On which KVM a guest can run. */
    public enum Kvm {
        /** Every. */
        ANY,
        /** One that runs ring 0 on the CPU itself. */
        NATIVE,
        /** None. */
        NONE
    }

    @Override
    public String toString() {
        return name;
    }
}
