package serai.vmm.gdb;

import java.util.HexFormat;
import serai.machine.engine.Vcpu;
import serai.machine.memory.GuestAddressException;

/** Memory for {@code m}, {@code M} and {@code X}: by linear address of the chosen vCPU, or, after {@code Qqemu.PhyMemMode:1}, by physical. */
final class Memory {
    private boolean physical;

    boolean physical() {
        return physical;
    }

    void physical(boolean on) {
        physical = on;
    }

    private interface Part {
        void at(long physical, int offset, int length);
    }

    /** Cuts a range into pages. How many bytes were reached before one that is not mapped. */
    private int pages(Vcpu vcpu, long address, int length, Part part) {
        int done = 0;
        while (done < length) {
            long at = address + done;
            int n = (int) Math.min(length - done, 4096 - (at & 4095));
            long p = physical ? at : vcpu.translate(at);
            if (p < 0) {
                break;
            }
            part.at(p, done, n);
            done += n;
        }
        return done;
    }

    /** {@code m}, without the m: what could be read of it. */
    String read(Target target, int cpu, String range) {
        int comma = range.indexOf(',');
        long address = Long.parseUnsignedLong(range, 0, comma, 16);
        int length = Math.min(Integer.parseUnsignedInt(range, comma + 1, range.length(), 16), Packets.MAX / 2);
        byte[] b = new byte[Math.max(length, 0)];
        int[] good = {0};
        try {
            pages(target.vcpu(cpu), address, b.length, (p, offset, n) -> {
                target.memory().read(p, b, offset, n);
                good[0] = offset + n;
            });
        } catch (GuestAddressException e) {
            // beyond RAM: what was read so far is the answer
        }
        return good[0] == 0 && b.length > 0 ? "E14" : HexFormat.of().formatHex(b, 0, good[0]);
    }

    /**
     * {@code M} and {@code X}.
     *
     * @throws GuestAddressException if a part of it is no RAM; what lies before has been written
     */
    void write(Target target, int cpu, String range, byte[] data) {
        int comma = range.indexOf(',');
        long address = Long.parseUnsignedLong(range, 0, comma, 16);
        int length = Integer.parseInt(range, comma + 1, range.length(), 16);
        if (length != data.length) {
            throw new IllegalArgumentException("length");
        }
        if (length == 0) {
            return; // gdb asks whether X is there
        }
        target.changing();
        Vcpu vcpu = target.vcpu(cpu);
        if (pages(vcpu, address, length, (p, offset, n) -> target.memory().write(p, data, offset, n)) < length) {
            throw new GuestAddressException(address, length);
        }
    }
}
