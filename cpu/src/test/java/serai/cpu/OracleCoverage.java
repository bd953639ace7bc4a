package serai.cpu;

import java.util.Map;

/**
 * Which rows of the table the physical CPU can judge, and why the others not. A row that is in no list is compared:
 * nothing is left out by being forgotten.
 */
final class OracleCoverage {
    /** How far a row is compared. */
    enum Kind {
        /** All of what it does. */
        FULL,
        /** What it does in ring 3, where it faults: its effect needs ring 0. */
        FAULT,
        /** Not at all: see the reason. */
        NONE
    }

    /** By mnemonic: instructions whose result Linux makes, not the CPU. */
    private static final Map<String, String> BY_KERNEL = Map.of(
            "SGDT", "UMIP: faults in ring 3, and Linux emulates it",
            "SIDT", "UMIP: faults in ring 3, and Linux emulates it",
            "SLDT", "UMIP: faults in ring 3, and Linux emulates it",
            "STR", "UMIP: faults in ring 3, and Linux emulates it",
            "SMSW", "UMIP: faults in ring 3, and Linux emulates it",
            "SYSENTER", "AMD: #UD in long mode; Intel: enters Linux, which does not return to where it came from");

    private OracleCoverage() {}

    /** Instructions that do nothing in ring 3 but fault, beside those marked {@code cpl0}. */
    private static boolean faultsInRing3(InstructionRow row) {
        return switch (row.mnemonic()) {
            // IOPL 0, no I/O permission bitmap; CR4.PCE clear; MONITOR and MWAIT without leave; RSM outside SMM
            case "CLI", "STI", "IN", "OUT", "INS", "OUTS", "RDPMC", "MONITOR", "MWAIT", "RSM" -> true;
            default -> row.has("cpl0");
        };
    }

    static Kind kind(InstructionRow row) {
        return !reason(row).isEmpty() ? Kind.NONE : faultsInRing3(row) ? Kind.FAULT : Kind.FULL;
    }

    /** Why a row is not compared; empty if it is. */
    static String reason(InstructionRow row) {
        if (row.needs() != null && !OracleCpu.HOST_FEATURES.contains(row.needs())) {
            return "this processor lacks " + row.needs().label();
        }
        return BY_KERNEL.getOrDefault(row.mnemonic(), "");
    }
}
