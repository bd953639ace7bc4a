package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import java.util.StringJoiner;
import org.junit.jupiter.api.Test;
import serai.machine.memory.GuestMemory;

/** Which accesses share a look at the TLB. */
final class SharedLooksTest {
    private static final String RET = "c3";

    private final Templates templates = new Templates(HostCpu.FEATURES);
    private final TranslationUnit unit = new TranslationUnit(new Decoder(HostCpu.FEATURES), templates);
    private final SharedLooks looks = new SharedLooks(unit, templates);

    /** By instruction: the number of its group and the distance from its lowest byte, as {@code 0+8}; - if it shares none. */
    private String looks(String... code) {
        byte[] bytes = HexFormat.of().parseHex(String.join("", code));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment page = arena.allocate(2 * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE);
            page.fill((byte) 0xcc);
            MemorySegment.copy(MemorySegment.ofArray(bytes), 0, page, 0, bytes.length);
            unit.decode(page.address(), 0, GuestMemory.PAGE_SIZE, VcpuContext.USER, place -> 0);
            looks.make();
        }
        StringJoiner all = new StringJoiner(" ");
        for (int i = 0; i < unit.count; i++) {
            all.add(looks.shares(i) ? looks.group(i) + "+" + looks.distance(i) : "-");
        }
        return all.toString();
    }

    @Test
    void fieldsOfAStructureShareOne() {
        // mov rax, [rbx]; mov [rbx + 8], rax; inc dword [rbx + 4]
        assertEquals("0+0 0+8 0+4 -", looks("488b03", "48894308", "ff4304", RET));
        assertEquals(16, looks.bytes(0));
        assertEquals(true, looks.writes(0));
        assertEquals(false, looks.follows(0));
        assertEquals(true, looks.follows(1));
    }

    @Test
    void whatAFunctionPushesAndItsLocalsShareOne() {
        // push rbp; mov rbp, rsp; push rbx; sub rsp, 24; mov [rbp - 24], rdi; mov rax, [rsp + 8]; leave; ret
        assertEquals(
                "0+24 - 0+16 - 0+0 0+0 0+24 0+32",
                looks("55", "4889e5", "53", "4883ec18", "48897de8", "488b442408", "c9", RET));
    }

    @Test
    void aRegisterThatMayHaveChangedIsAnotherBase() {
        String[] changes = {
            "4887d8", // xchg rax, rbx
            "480fc1d8", // xadd rax, rbx
            "480fafd8", // imul rbx, rax
            "89db", // mov ebx, ebx
            "83c308", // add ebx, 8
            "4883e3f0", // and rbx, -16
            "0fcb", // bswap ebx
            "bb00000000", // mov ebx, 0
            "d3e3", // shl ebx, cl
            "0f44d8", // cmovz ebx, eax
            "8a1a", // mov bl, [rdx]
            "b700", // mov bh, 0
            "f348 0fb8d8".replace(" ", ""), // popcnt rbx, rax
            "66480f7ec3", // movq rbx, xmm0
            "0fa2", // cpuid
        };
        for (String change : changes) {
            String found = looks("488b03", change, "488b4b08", RET);
            assertEquals("- - - -", found, change);
        }
    }

    @Test
    void registersThatInstructionsWriteWithoutNamingThemAreOtherBases() {
        // MUL, DIV, CWDE, CWD, LAHF, CMPXCHG; between mov rcx, [rax] and mov rcx, [rax + 8]
        for (String change : new String[] {"f7e1", "48f7f1", "98", "9f", "480fb1cb"}) {
            assertEquals("- - - -", looks("488b08", change, "488b4808", RET), change);
        }
        // between mov rcx, [rdx] and mov rcx, [rdx + 8]
        for (String change : new String[] {"f7e1", "48f7f1", "99"}) {
            assertEquals("- - - -", looks("488b0a", change, "488b4a08", RET), change);
        }
    }

    @Test
    void nothingIsSharedPastWhereCodeIsEntered() {
        // mov rax, [rbx]; l: mov rax, [rbx + 8]; dec rcx; jnz l; mov rax, [rbx + 16]
        assertEquals("- 1+0 - - 1+8 -", looks("488b03", "488b4308", "48ffc9", "75f7", "488b4310", RET));
    }

    @Test
    void nothingIsSharedThatIsFarApart() {
        // mov rax, [rbx]; mov rax, [rbx + 248]; mov rax, [rbx + 249]
        assertEquals("0+0 0+248 - -", looks("488b03", "488b83f8000000", "488b83f9000000", RET));
    }

    @Test
    void aWriteBehindABranchLooksForItself() {
        // mov rax, [rbx]; jz +4; mov [rbx + 8], rax; mov rax, [rbx + 16]
        assertEquals("- - 1+0 1+8 -", looks("488b03", "7414", "48894308", "488b4310", RET));
        assertEquals("0+0 - 0+8 -", looks("488b03", "7414", "488b4308", RET));
    }

    @Test
    void indexesSegmentsAndTheProgramCounterAreToldApart() {
        // mov eax, [rbx + rsi*4]; mov eax, [rbx + rsi*8]; mov eax, [rbx + rsi*4 + 4]; mov eax, fs:[rbx + rsi*4]
        assertEquals("0+0 - 0+4 - -", looks("8b04b3", "8b04f3", "8b44b304", "648b04b3", RET));
        // add rsi, 1; the index has changed by what is known
        assertEquals("0+0 - 0+4 -", looks("8b04b3", "4883c601", "8b04b3", RET));
        // mov eax, [rip + 16]; mov eax, [rip + 16]: 6 bytes further
        assertEquals("0+0 0+6 -", looks("8b0510000000", "8b0510000000", RET));
    }

    @Test
    void fourGroupsAtATime() {
        // mov rax, [r8] … [r12], and all again at + 8
        String found = looks(
                "498b00",
                "498b01",
                "498b02",
                "498b03",
                "498b0424",
                "498b4008",
                "498b4108",
                "498b4208",
                "498b4308",
                "498b442408",
                RET);
        assertEquals("0+0 1+0 2+0 3+0 - 0+8 1+8 2+8 3+8 - -", found);
    }
}
