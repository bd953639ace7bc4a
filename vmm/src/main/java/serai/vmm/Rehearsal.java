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
 * of a few seconds. Later VMMs find their classes loaded and linked, and the interpreter's loop and the translator with their profiles.
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

    /** A multiboot 1 kernel (its specification, 3.1): a loop in 32-bit code, then {@link RehearsalCode}, then power-off by ACPI. */
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
        code.writeBytes(longMode(LOAD + HEADER + code.size()));
        code.writeBytes(new RehearsalCode().bytes());
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

    /** From 32-bit protected mode to 64-bit mode at CPL 0 (SDM vol. 3, 11.8.5), with the first 64 MiB mapped by pages of 2 MiB. */
    private static byte[] longMode(int at) {
        String text = "c7050000400003104000" // mov dword [0x400000], 0x401003
                + "c7050010400003204000" // mov dword [0x401000], 0x402003
                + "bf00204000" // mov edi, 0x402000
                + "b883000000" // mov eax, 0x83
                + "b920000000" // mov ecx, 32
                + "8907" // mov [edi], eax
                + "83c708" // add edi, 8
                + "0500002000" // add eax, 0x200000
                + "49" // dec ecx
                + "75f3" // jnz -13
                + "b800004000" // mov eax, 0x400000
                + "0f22d8" // mov cr3, eax
                + "0f20e0" // mov eax, cr4
                + "0d20060000" // or eax, PAE | OSFXSR | OSXMMEXCPT
                + "0f22e0" // mov cr4, eax
                + "b9800000c0" // mov ecx, EFER
                + "0f32" // rdmsr
                + "0d00010000" // or eax, LME
                + "0f30" // wrmsr
                + "0f20c0" // mov eax, cr0
                + "0d00000080" // or eax, PG
                + "0f22c0" // mov cr0, eax
                + "0f0115"; // lgdt [
        byte[] first = HexFormat.of().parseHex(text);
        int rest = 4 + 7; // ], ljmp
        int gdt = at + first.length + rest;
        ByteBuffer b = ByteBuffer.allocate(first.length + rest + 24 + 6 + 11).order(ByteOrder.LITTLE_ENDIAN);
        b.put(first).putInt(gdt + 24);
        b.put((byte) 0xea).putInt(gdt + 24 + 6).putShort((short) 8); // jmp 8:…
        b.putLong(0).putLong(0x00af9a000000ffffL).putLong(0x00cf92000000ffffL);
        b.putShort((short) 23).putInt(gdt);
        b.put(HexFormat.of().parseHex("66b810008ed88ec08ed090")); // mov ax, 16; mov ds, ax; mov es, ax; mov ss, ax; nop
        return b.array();
    }

    private static byte[] immediate(int opcode, int value) {
        return ByteBuffer.allocate(5)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) opcode)
                .putInt(value)
                .array();
    }
}
