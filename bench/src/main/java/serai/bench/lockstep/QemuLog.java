package serai.bench.lockstep;

import java.io.IOException;
import java.io.InputStream;

/**
 * Parses what {@code -d cpu} writes, byte by byte without making objects: about 1.3 kB an instruction, at some hundred
 * thousand instructions a second.
 */
final class QemuLog {
    private static final String[] GPR = {
        "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"
    };
    private static final String[] GPR32 = {"EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"};
    private static final String[] SEGMENTS = {"ES ", "CS ", "SS ", "DS ", "FS ", "GS "};

    private final InputStream in;
    private final byte[] buffer = new byte[1 << 20];
    private int position;
    private int limit;
    private final byte[] line = new byte[512];
    private int length;
    private boolean haveLine;

    QemuLog(InputStream in) {
        this.in = in;
    }

    private boolean readLine() throws IOException {
        if (haveLine) {
            haveLine = false;
            return true;
        }
        length = 0;
        while (true) {
            if (position == limit) {
                limit = in.read(buffer);
                position = 0;
                if (limit <= 0) {
                    limit = 0;
                    return false;
                }
            }
            byte b = buffer[position++];
            if (b == '\n') {
                return true;
            }
            if (length < line.length) {
                line[length++] = b;
            }
        }
    }

    private boolean starts(String s) {
        if (length < s.length()) {
            return false;
        }
        for (int i = 0; i < s.length(); i++) {
            if (line[i] != s.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    private int key(String[] names, int at) {
        if (at + 4 > length || line[at + 3] != '=') {
            return -1;
        }
        for (int i = 0; i < names.length; i++) {
            String n = names[i];
            if (line[at] == n.charAt(0) && line[at + 1] == n.charAt(1) && line[at + 2] == n.charAt(2)) {
                return i;
            }
        }
        return -1;
    }

    private int end;

    private long hex(int at) {
        long v = 0;
        int i = at;
        for (; i < length; i++) {
            int d = Character.digit(line[i], 16);
            if (d < 0) {
                break;
            }
            v = v << 4 | d;
        }
        end = i;
        return v;
    }

    private long field(String name) {
        int n = name.length();
        outer:
        for (int i = 0; i + n < length; i++) {
            for (int j = 0; j < n; j++) {
                if (line[i + j] != name.charAt(j)) {
                    continue outer;
                }
            }
            return hex(i + n);
        }
        return 0;
    }

    /** Reads the next entry; false at the end of the log. */
    boolean next(QemuState s) throws IOException {
        do {
            if (!readLine()) {
                return false;
            }
        } while (!starts("RAX=") && !starts("EAX="));
        boolean wide = line[0] == 'R';
        s.hasXmm = false;
        int rows = wide ? 4 : 2;
        for (int row = 0; row < rows; row++) {
            if (row > 0 && !readLine()) {
                return false;
            }
            int step = wide ? 21 : 13;
            for (int at = 0; at + 4 <= length; at += step) {
                int k = key(wide ? GPR : GPR32, at);
                if (k >= 0) {
                    s.gpr[k] = hex(at + 4);
                }
            }
        }
        if (!wide) {
            for (int i = 8; i < 16; i++) {
                s.gpr[i] = 0;
            }
        }
        while (readLine()) {
            if (starts("RAX=") || starts("EAX=")) {
                haveLine = true;
                return true;
            }
            if (starts("RIP=") || starts("EIP=")) {
                s.rip = hex(4);
                s.rflags = field(wide ? "RFL=" : "EFL=");
                s.halted = field("HLT=") != 0;
            } else if (starts("CR0=")) {
                s.cr0 = hex(4);
                s.cr2 = field("CR2=");
                s.cr3 = field("CR3=");
                s.cr4 = field("CR4=");
            } else if (starts("EFER=")) {
                s.efer = hex(5);
                if (!fpuFollows) {
                    return true;
                }
            } else if (starts("XMM")) {
                s.hasXmm = true;
                for (int at = 0; at + 6 < length; ) {
                    if (line[at] != 'X') {
                        break;
                    }
                    int n = (line[at + 3] - '0') * 10 + line[at + 4] - '0';
                    if (n > 15) {
                        break;
                    }
                    // high half first, in words of 16, 32 or 64 bits according to the version
                    int i = at + 6;
                    long high = 0;
                    long low = 0;
                    for (int digits = 0; digits < 32 && i < length; i++) {
                        int d = Character.digit(line[i], 16);
                        if (d >= 0) {
                            high = high << 4 | low >>> 60;
                            low = low << 4 | d;
                            digits++;
                        }
                    }
                    s.xmm[n * 2] = low;
                    s.xmm[n * 2 + 1] = high;
                    at = i + 1;
                }
            } else {
                int k = key(SEGMENTS, 0);
                if (k >= 0) {
                    s.selectors[k] = (int) hex(4);
                    s.bases[k] = hex(end + 1);
                }
            }
        }
        return false;
    }

    /** Whether lines of the FPU follow the EFER line ({@code -d fpu}). */
    boolean fpuFollows;
}
