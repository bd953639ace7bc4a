package serai.machine.boot;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Writes small ELF files. */
final class ElfBuilder {
    private record Part(int type, long address, byte[] bytes, long memorySize) {}

    private final boolean wide;
    private final List<Part> parts = new ArrayList<>();
    private final ByteArrayOutputStream notes = new ByteArrayOutputStream();
    private long entry;

    ElfBuilder(boolean wide) {
        this.wide = wide;
    }

    ElfBuilder entry(long at) {
        entry = at;
        return this;
    }

    ElfBuilder load(long address, byte[] bytes, long memorySize) {
        parts.add(new Part(1, address, bytes, memorySize));
        return this;
    }

    ElfBuilder note(String name, int type, byte[] value) {
        byte[] h = new byte[12];
        Le.put32(h, 0, name.length() + 1);
        Le.put32(h, 4, value.length);
        Le.put32(h, 8, type);
        notes.writeBytes(h);
        padded((name + "\0").getBytes(StandardCharsets.US_ASCII));
        padded(value);
        return this;
    }

    private void padded(byte[] b) {
        notes.writeBytes(b);
        notes.writeBytes(new byte[-b.length & 3]);
    }

    byte[] build() {
        List<Part> all = new ArrayList<>(parts);
        if (notes.size() > 0) {
            all.add(new Part(4, 0, notes.toByteArray(), notes.size()));
        }
        int ehsize = wide ? 64 : 52;
        int phsize = wide ? 56 : 32;
        byte[] h = new byte[ehsize + phsize * all.size()];
        Le.put32(h, 0, 0x464c457f);
        h[4] = (byte) (wide ? 2 : 1);
        h[5] = 1;
        h[6] = 1;
        Le.put16(h, 0x10, 2);
        Le.put16(h, 0x12, wide ? 62 : 3);
        Le.put32(h, 0x14, 1);
        if (wide) {
            Le.put64(h, 0x18, entry);
            Le.put64(h, 0x20, ehsize);
            Le.put16(h, 0x36, phsize);
            Le.put16(h, 0x38, all.size());
        } else {
            Le.put32(h, 0x18, entry);
            Le.put32(h, 0x1c, ehsize);
            Le.put16(h, 0x2a, phsize);
            Le.put16(h, 0x2c, all.size());
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        long offset = h.length;
        for (int i = 0; i < all.size(); i++) {
            Part p = all.get(i);
            int at = ehsize + i * phsize;
            Le.put32(h, at, p.type);
            if (wide) {
                Le.put64(h, at + 0x08, offset);
                Le.put64(h, at + 0x10, p.address);
                Le.put64(h, at + 0x18, p.address);
                Le.put64(h, at + 0x20, p.bytes.length);
                Le.put64(h, at + 0x28, p.memorySize);
            } else {
                Le.put32(h, at + 0x04, offset);
                Le.put32(h, at + 0x08, p.address);
                Le.put32(h, at + 0x0c, p.address);
                Le.put32(h, at + 0x10, p.bytes.length);
                Le.put32(h, at + 0x14, p.memorySize);
            }
            offset += p.bytes.length;
        }
        out.writeBytes(h);
        for (Part p : all) {
            out.writeBytes(p.bytes);
        }
        return out.toByteArray();
    }
}
