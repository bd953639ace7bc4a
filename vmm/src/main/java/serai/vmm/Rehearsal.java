package serai.vmm;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import serai.kvm.KvmProbe;
import serai.machine.Layout;
import serai.machine.pm.PowerManagement;

/**
 * What the JVM watches once, when Serai is built, to lay down an AOT cache: a run of a VM as users start it, with a guest
 * of a few instructions. Later VMMs find their classes loaded and linked, and the interpreter's loop with its profile.
 */
public final class Rehearsal {
    private static final int LOAD = 0x100000;
    private static final int HEADER = 32;
    private static final int ROUNDS = 2_000_000;
    private static final int SLEEP_ENABLE = 1 << 13;

    private Rehearsal() {}

    /** Runs it; the status is 0 if the guest has powered off. */
    public static void main(String[] args) throws IOException {
        KvmProbe.measure();
        Path kernel = Files.createTempFile("serai-rehearsal", ".bin");
        int status;
        try {
            Files.write(kernel, kernel());
            status = Main.run(List.of(
                    "kernel=" + kernel,
                    "memory=" + (64 << 20),
                    "cpus=1",
                    "engine=java",
                    "serial=null",
                    "debugcon=null"));
        } finally {
            Files.delete(kernel);
        }
        System.exit(status);
    }

    /** A multiboot 1 kernel (its specification, 3.1): arithmetic, memory and the stack, then power-off by ACPI. */
    private static byte[] kernel() {
        ByteArrayOutputStream code = new ByteArrayOutputStream();
        String instructions = "01c8" // add eax, ecx
                + "8907" // mov [edi], eax
                + "335f04" // xor ebx, [edi+4]
                + "8d3458" // lea esi, [eax+ebx*2]
                + "56" // push esi
                + "5a" // pop edx
                + "c1c203" // rol edx, 3
                + "0fb6da" // movzx ebx, dl
                + "f7e3" // mul ebx
                + "83c704" // add edi, 4
                + "81e7fcff2f00" // and edi, 0x2ffffc
                + "81cf00002000" // or edi, 0x200000
                + "49" // dec ecx
                + "7500"; // jnz loop
        byte[] loop = HexFormat.of().parseHex(instructions);
        loop[loop.length - 1] = (byte) -loop.length;
        code.writeBytes(immediate(0xbc, 0x180000)); // mov esp, 0x180000
        code.writeBytes(immediate(0xb9, ROUNDS)); // mov ecx, ROUNDS
        code.writeBytes(immediate(0xbf, 0x200000)); // mov edi, 0x200000
        code.writeBytes(loop);
        code.writeBytes(immediate(0xba, 0x3f8)); // mov edx, COM1
        code.write(0xee); // out dx, al
        code.writeBytes(immediate(0xba, Layout.PM_BASE + 4)); // mov edx, PM1a control
        code.writeBytes(immediate(0xb8, PowerManagement.SLEEP_S5 << 10 | SLEEP_ENABLE)); // mov eax, …
        code.writeBytes(new byte[] {0x66, (byte) 0xef, (byte) 0xfa, (byte) 0xf4}); // out dx, ax; cli; hlt

        int end = LOAD + HEADER + code.size();
        int magic = 0x1badb002;
        int addresses = 1 << 16; // the header says where what goes
        ByteBuffer b = ByteBuffer.allocate(end - LOAD).order(ByteOrder.LITTLE_ENDIAN);
        b.putInt(magic).putInt(addresses).putInt(-(magic + addresses));
        b.putInt(LOAD).putInt(LOAD).putInt(end).putInt(end).putInt(LOAD + HEADER);
        return b.put(code.toByteArray()).array();
    }

    private static byte[] immediate(int opcode, int value) {
        return ByteBuffer.allocate(5)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) opcode)
                .putInt(value)
                .array();
    }
}
