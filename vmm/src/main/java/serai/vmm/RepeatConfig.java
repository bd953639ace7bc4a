package serai.vmm;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Whether a run can be repeated, and from what.
 *
 * @param seed of deterministic mode, or null for real time
 * @param record file to record inputs to, or null
 * @param replay file to replay inputs from, or null
 * @param hashEvery print a hash of the CPU's state every so many instructions, or 0
 */
public record RepeatConfig(
        @Nullable Long seed,
        @Nullable Path record,
        @Nullable Path replay,
        long hashEvery) {
    static final class Group implements WordGroup {
        private @Nullable Long seed;
        private @Nullable Path record;
        private @Nullable Path replay;
        private long hashEvery;

        @Override
        public boolean take(String key, String v) throws VmmException {
            switch (key) {
                case "deterministic" -> seed = Words.number(key, v, Long.MIN_VALUE, Long.MAX_VALUE);
                case "record" -> record = Words.path(key, v);
                case "replay" -> replay = Words.path(key, v);
                case "hash-every" -> hashEvery = Words.number(key, v, 1, Long.MAX_VALUE);
                default -> {
                    return false;
                }
            }
            return true;
        }

        RepeatConfig finish() throws VmmException {
            if (record != null && replay != null) {
                throw Words.usage("record and replay exclude each other");
            }
            boolean repeats = record != null || replay != null || hashEvery > 0;
            return new RepeatConfig(repeats && seed == null ? Long.valueOf(1) : seed, record, replay, hashEvery);
        }
    }
}
