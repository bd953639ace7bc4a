package serai.vmm;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
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
        byte[] loop = {
            0x01,
            (byte) 0xc8, // add eax, ecx
            (byte) 0x89,
            0x07, // mov [edi], eax
            0x33,
            0x5f,
            0x04, // xor ebx, [edi+4]
            (byte) 0x8d,
            0x34,
            0x58, // lea esi, [eax+ebx*2]
            0x56, // push esi
            0x5a, // pop edx
            (byte) 0xc1,
            (byte) 0xc2,
            0x03, // rol edx, 3
            0x0f,
            (byte) 0xb6,
            (byte) 0xda, // movzx ebx, dl
            (byte) 0xf7,
            (byte) 0xe3, // mul ebx
            (byte) 0x83,
            (byte) 0xc7,
            0x04, // add edi, 4
            (byte) 0x81,
            (byte) 0xe7,
            (byte) 0xfc,
            (byte) 0xff,
            0x2f,
            0x00, // and edi, 0x2ffffc
            (byte) 0x81,
            (byte) 0xcf,
            0x00,
            0x00,
            0x20,
            0x00, // or edi, 0x200000
            0x49, // dec ecx
            0x75,
            0 // jnz loop
        };
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
