package serai.vmm;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A profile of the guest, as the words say: {@code profile=FILE symbols=FILE[,offset=N]}.
 *
 * @param file where it is written at the end
 * @param symbols names for it, or null
 * @param offset by how much the guest's code lies above the symbols' addresses; null if that is to be found out
 */
public record ProfileConfig(
        Path file, @Nullable Path symbols, @Nullable Long offset) {
    private static final String OFFSET = ",offset=";

    static @Nullable ProfileConfig parse(@Nullable String file, @Nullable String symbols) throws VmmException {
        if (file == null) {
            if (symbols != null) {
                throw Words.usage("symbols are for a profile: give profile, too");
            }
            return null;
        }
        Path written = Words.path("profile", file);
        if (symbols == null) {
            return new ProfileConfig(written, null, null);
        }
        int at = symbols.lastIndexOf(OFFSET);
        return at < 0
                ? new ProfileConfig(written, Words.path("symbols", symbols), null)
                : new ProfileConfig(
                        written,
                        Words.path("symbols", symbols.substring(0, at)),
                        Words.number(
                                "offset of symbols",
                                symbols.substring(at + OFFSET.length()),
                                Long.MIN_VALUE,
                                Long.MAX_VALUE));
    }
}
