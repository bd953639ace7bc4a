package serai.storage.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import serai.storage.DiskException;

class ByteSizeTest {
    @ParameterizedTest
    @CsvSource({
        "0,0",
        "512,512",
        "7b,7",
        "1k,1024",
        "64K,65536",
        "1.5G,1610612736",
        "2GiB,2147483648",
        "2GB,2147483648",
        "3t,3298534883328",
        "9223372036854775807,9223372036854775807",
        "7E,8070450532247928832"
    })
    void sizes(String text, long bytes) throws DiskException {
        assertEquals(bytes, ByteSize.parse("size", text));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "k",
                "-1",
                "1 k",
                "1x",
                "0x10",
                "8E",
                "9223372036854775808",
                "1.",
                "1k5",
                "99999999999999999999"
            })
    void notSizes(String text) {
        assertThrows(DiskException.class, () -> ByteSize.parse("size", text));
    }

    @Test
    void disks_haveWholeSectors() throws DiskException {
        assertEquals(1024, ByteSize.disk("size", "513"));
        assertThrows(DiskException.class, () -> ByteSize.disk("size", "9223372036854775807"));
    }

    @ParameterizedTest
    @CsvSource({"0,0 B", "999,999 B", "1000,0.977 KiB", "196608,192 KiB", "1610612736,1.5 GiB", "1073741824,1 GiB"})
    void words(long bytes, String text) {
        assertEquals(text, ByteSize.words(bytes));
    }
}
