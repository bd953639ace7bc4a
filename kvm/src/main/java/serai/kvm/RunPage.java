package serai.kvm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * {@code struct kvm_run}, shared with the kernel.
 *
 * <pre>
 *   0 request_interrupt_window   1 immediate_exit            8 exit_reason
 *  12 ready_for_interrupt_injection   13 if_flag            16 cr8            24 apic_base
 *  32 the exit's own:
 *     io     32 direction  33 size  34 port  36 count  40 data_offset (from the start of this structure)
 *     mmio   32 phys_addr  40 data[8]  48 len  52 is_write
 *     msr    32 error  40 reason  44 index  48 data
 *     debug  32 exception  40 pc  48 dr6  56 dr7
 *     internal  32 suberror  36 ndata  40 data[16]
 *     fail_entry 32 hardware_entry_failure_reason
 * </pre>
 */
final class RunPage {
    private static final VarHandle BYTE = ValueLayout.JAVA_BYTE.varHandle();
    static final int DATA = 40;

    private final MemorySegment page;

    RunPage(MemorySegment page) {
        this.page = page;
    }

    void requestInterruptWindow(boolean on) {
        page.set(ValueLayout.JAVA_BYTE, 0, (byte) (on ? 1 : 0));
    }

    /** Ordered with the kick flag: see {@link KvmVcpu#kick}. */
    void immediateExit(boolean on) {
        BYTE.setVolatile(page, 1L, (byte) (on ? 1 : 0));
    }

    int exitReason() {
        return page.get(ValueLayout.JAVA_INT, 8);
    }

    boolean readyForInjection() {
        return page.get(ValueLayout.JAVA_BYTE, 12) != 0;
    }

    boolean interruptFlag() {
        return page.get(ValueLayout.JAVA_BYTE, 13) != 0;
    }

    int cr8() {
        return (int) page.get(ValueLayout.JAVA_LONG, 16) & 15;
    }

    void cr8(int value) {
        page.set(ValueLayout.JAVA_LONG, 16, value);
    }

    boolean ioOut() {
        return page.get(ValueLayout.JAVA_BYTE, 32) == 1;
    }

    int ioSize() {
        return page.get(ValueLayout.JAVA_BYTE, 33);
    }

    int ioPort() {
        return page.get(ValueLayout.JAVA_SHORT, 34) & 0xffff;
    }

    int ioCount() {
        return page.get(ValueLayout.JAVA_INT, 36);
    }

    long ioDataOffset() {
        return page.get(ValueLayout.JAVA_LONG, 40);
    }

    long mmioAddress() {
        return page.get(ValueLayout.JAVA_LONG, 32);
    }

    int mmioLength() {
        return page.get(ValueLayout.JAVA_INT, 48);
    }

    boolean mmioWrite() {
        return page.get(ValueLayout.JAVA_BYTE, 52) != 0;
    }

    void msrError(boolean error) {
        page.set(ValueLayout.JAVA_BYTE, 32, (byte) (error ? 1 : 0));
    }

    int msrIndex() {
        return page.get(ValueLayout.JAVA_INT, 44);
    }

    long msrData() {
        return page.get(ValueLayout.JAVA_LONG, 48);
    }

    void msrData(long value) {
        page.set(ValueLayout.JAVA_LONG, 48, value);
    }

    int suberror() {
        return page.get(ValueLayout.JAVA_INT, 32);
    }

    int internalCount() {
        return Math.clamp(page.get(ValueLayout.JAVA_INT, 36), 0, 16);
    }

    long internalData(int i) {
        return page.get(ValueLayout.JAVA_LONG, DATA + 8L * i);
    }

    long failEntryReason() {
        return page.get(ValueLayout.JAVA_LONG, 32);
    }

    /** {@code size} (1, 2, 4 or 8) bytes at {@code offset}, zero-extended. */
    long data(long offset, int size) {
        return switch (size) {
            case 1 -> page.get(ValueLayout.JAVA_BYTE, offset) & 0xffL;
            case 2 -> page.get(ValueLayout.JAVA_SHORT_UNALIGNED, offset) & 0xffffL;
            case 4 -> page.get(ValueLayout.JAVA_INT_UNALIGNED, offset) & 0xffffffffL;
            default -> page.get(ValueLayout.JAVA_LONG_UNALIGNED, offset);
        };
    }

    void data(long offset, int size, long value) {
        switch (size) {
            case 1 -> page.set(ValueLayout.JAVA_BYTE, offset, (byte) value);
            case 2 -> page.set(ValueLayout.JAVA_SHORT_UNALIGNED, offset, (short) value);
            case 4 -> page.set(ValueLayout.JAVA_INT_UNALIGNED, offset, (int) value);
            default -> page.set(ValueLayout.JAVA_LONG_UNALIGNED, offset, value);
        }
    }
}
