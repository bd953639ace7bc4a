package serai.storage.luks;

/** The permutation of Argon2's blocks of 1 KiB, seen as 8 × 8 registers of 16 bytes (RFC 9106 §3.5, §3.6). */
final class Argon2Block {
    private Argon2Block() {}

    /** What compression makes of X ⊕ Y: {@code r} becomes {@code r} ⊕ P(r), P on all rows and then on all columns. */
    static void permute(long[] r, long[] z) {
        System.arraycopy(r, 0, z, 0, 128);
        for (int i = 0; i < 8; i++) {
            p(z, 16 * i, 2);
        }
        for (int i = 0; i < 8; i++) {
            p(z, 2 * i, 16);
        }
        for (int k = 0; k < 128; k++) {
            r[k] ^= z[k];
        }
    }

    /** P on eight registers, the first at {@code i}, {@code s} longs apart. In locals: the JIT keeps most of them in registers. */
    private static void p(long[] z, int i, int s) {
        long v0 = z[i];
        long v1 = z[i + 1];
        long v2 = z[i + s];
        long v3 = z[i + s + 1];
        long v4 = z[i + 2 * s];
        long v5 = z[i + 2 * s + 1];
        long v6 = z[i + 3 * s];
        long v7 = z[i + 3 * s + 1];
        long v8 = z[i + 4 * s];
        long v9 = z[i + 4 * s + 1];
        long v10 = z[i + 5 * s];
        long v11 = z[i + 5 * s + 1];
        long v12 = z[i + 6 * s];
        long v13 = z[i + 6 * s + 1];
        long v14 = z[i + 7 * s];
        long v15 = z[i + 7 * s + 1];
        v0 = sum(v0, v4);
        v12 = Long.rotateRight(v12 ^ v0, 32);
        v8 = sum(v8, v12);
        v4 = Long.rotateRight(v4 ^ v8, 24);
        v0 = sum(v0, v4);
        v12 = Long.rotateRight(v12 ^ v0, 16);
        v8 = sum(v8, v12);
        v4 = Long.rotateRight(v4 ^ v8, 63);
        v1 = sum(v1, v5);
        v13 = Long.rotateRight(v13 ^ v1, 32);
        v9 = sum(v9, v13);
        v5 = Long.rotateRight(v5 ^ v9, 24);
        v1 = sum(v1, v5);
        v13 = Long.rotateRight(v13 ^ v1, 16);
        v9 = sum(v9, v13);
        v5 = Long.rotateRight(v5 ^ v9, 63);
        v2 = sum(v2, v6);
        v14 = Long.rotateRight(v14 ^ v2, 32);
        v10 = sum(v10, v14);
        v6 = Long.rotateRight(v6 ^ v10, 24);
        v2 = sum(v2, v6);
        v14 = Long.rotateRight(v14 ^ v2, 16);
        v10 = sum(v10, v14);
        v6 = Long.rotateRight(v6 ^ v10, 63);
        v3 = sum(v3, v7);
        v15 = Long.rotateRight(v15 ^ v3, 32);
        v11 = sum(v11, v15);
        v7 = Long.rotateRight(v7 ^ v11, 24);
        v3 = sum(v3, v7);
        v15 = Long.rotateRight(v15 ^ v3, 16);
        v11 = sum(v11, v15);
        v7 = Long.rotateRight(v7 ^ v11, 63);
        v0 = sum(v0, v5);
        v15 = Long.rotateRight(v15 ^ v0, 32);
        v10 = sum(v10, v15);
        v5 = Long.rotateRight(v5 ^ v10, 24);
        v0 = sum(v0, v5);
        v15 = Long.rotateRight(v15 ^ v0, 16);
        v10 = sum(v10, v15);
        v5 = Long.rotateRight(v5 ^ v10, 63);
        v1 = sum(v1, v6);
        v12 = Long.rotateRight(v12 ^ v1, 32);
        v11 = sum(v11, v12);
        v6 = Long.rotateRight(v6 ^ v11, 24);
        v1 = sum(v1, v6);
        v12 = Long.rotateRight(v12 ^ v1, 16);
        v11 = sum(v11, v12);
        v6 = Long.rotateRight(v6 ^ v11, 63);
        v2 = sum(v2, v7);
        v13 = Long.rotateRight(v13 ^ v2, 32);
        v8 = sum(v8, v13);
        v7 = Long.rotateRight(v7 ^ v8, 24);
        v2 = sum(v2, v7);
        v13 = Long.rotateRight(v13 ^ v2, 16);
        v8 = sum(v8, v13);
        v7 = Long.rotateRight(v7 ^ v8, 63);
        v3 = sum(v3, v4);
        v14 = Long.rotateRight(v14 ^ v3, 32);
        v9 = sum(v9, v14);
        v4 = Long.rotateRight(v4 ^ v9, 24);
        v3 = sum(v3, v4);
        v14 = Long.rotateRight(v14 ^ v3, 16);
        v9 = sum(v9, v14);
        v4 = Long.rotateRight(v4 ^ v9, 63);
        z[i] = v0;
        z[i + 1] = v1;
        z[i + s] = v2;
        z[i + s + 1] = v3;
        z[i + 2 * s] = v4;
        z[i + 2 * s + 1] = v5;
        z[i + 3 * s] = v6;
        z[i + 3 * s + 1] = v7;
        z[i + 4 * s] = v8;
        z[i + 4 * s + 1] = v9;
        z[i + 5 * s] = v10;
        z[i + 5 * s + 1] = v11;
        z[i + 6 * s] = v12;
        z[i + 6 * s + 1] = v13;
        z[i + 7 * s] = v14;
        z[i + 7 * s + 1] = v15;
    }

    /** Sum of a Blake2b step, with the product of the lower halves twice. */
    private static long sum(long a, long b) {
        return a + b + 2 * (a & 0xffff_ffffL) * (b & 0xffff_ffffL);
    }
}
