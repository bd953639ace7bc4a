package serai.vmm;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import serai.machine.engine.CpuState;
import serai.machine.engine.Segment;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/**
 * A chain of hashes over the CPU's states of a run, and a hash of RAM: two runs that print the same chain did the same.
 * Each link is the SHA-256 of the one before and the state; what is shown is its first 16 digits.
 */
final class StateHash {
    private final MessageDigest digest = sha256();
    private byte[] link = new byte[32];
    private final byte[] eight = new byte[8];

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    private void put(long v) {
        for (int i = 0; i < 8; i++) {
            eight[i] = (byte) (v >>> i * 8);
        }
        digest.update(eight);
    }

    private void put(long[] values) {
        for (long v : values) {
            put(v);
        }
    }

    private static String show(byte[] hash) {
        return HexFormat.of().formatHex(hash, 0, 8);
    }

    /** Adds a link of the states of all vCPUs. */
    String add(List<CpuState> states) {
        digest.update(link);
        states.forEach(this::state);
        link = digest.digest();
        return show(link);
    }

    /** The state alone, without what came before: equal for a run and one resumed from a snapshot of it. */
    String alone(List<CpuState> states) {
        states.forEach(this::state);
        return show(digest.digest());
    }

    private void state(CpuState s) {
        put(s.gpr());
        put(s.rip());
        put(s.rflags());
        for (Segment g : s.segments()) {
            put(g.selector());
            put(g.base());
            put(g.limit());
            put(g.attributes());
        }
        put(s.gdtBase());
        put(s.gdtLimit());
        put(s.idtBase());
        put(s.idtLimit());
        put(s.cr());
        put(s.dr());
        put(s.xcr0());
        digest.update(s.xsave());
        put(s.msrs());
        put(s.tscOffset());
        digest.update(s.apic());
        CpuState.Events e = s.events();
        put(e.activity().ordinal());
        put(e.exceptionPending() ? e.exceptionVector() + 1 : 0);
        put(e.exceptionHasError() ? e.exceptionError() : -1);
        put(e.interruptInjected() ? e.interruptVector() + 1 : 0);
        put((e.nmiPending() ? 1 : 0)
                | (e.nmiMasked() ? 2 : 0)
                | (e.stiShadow() ? 4 : 0)
                | (e.movSsShadow() ? 8 : 0)
                | (e.smm() ? 16 : 0)
                | (e.smiPending() ? 32 : 0)
                | (e.interruptSoft() ? 64 : 0));
        put(s.instructions());
    }

    /** A hash of all RAM; pages of zeros count by their number only, so untouched ones stay untouched. */
    String memory(GuestMemory memory) {
        byte[] page = new byte[4096];
        for (RamRegion r : memory.present()) {
            if (r.readOnly()) {
                continue;
            }
            for (long at = 0; at < r.size(); at += page.length) {
                if (!Pages.zero(memory, r, at)) {
                    memory.read(r.base() + at, page, 0, page.length);
                    put(r.base() + at);
                    digest.update(page);
                }
            }
        }
        return show(digest.digest());
    }
}
