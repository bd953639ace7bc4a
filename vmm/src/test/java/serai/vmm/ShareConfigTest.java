package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ShareConfigTest {
    private static List<ShareConfig> shares(String... words) throws VmmException {
        List<String> all = new ArrayList<>(List.of("kernel=k"));
        all.addAll(List.of(words));
        return VmConfig.parse(all).shares();
    }

    @Test
    void tagDirectoryAndWhetherItIsOnlyRead() throws VmmException {
        assertEquals(
                List.of(new ShareConfig("home", Path.of("/a,b"), false), new ShareConfig("x-1.y_", Path.of("c"), true)),
                shares("share=home,/a,b", "share=x-1.y_,c,readonly"));
    }

    @Test
    void wrongOnes() {
        String[][] all = {
            {
                "share=home",
                "share must be TAG,DIRECTORY[,readonly] with a tag of letters, digits, '.', '_' and '-', not 'home'"
            },
            {
                "share=a/b,d",
                "share must be TAG,DIRECTORY[,readonly] with a tag of letters, digits, '.', '_' and '-', not 'a/b,d'"
            },
            {"share=home,", "share needs a file name"},
            {"share=home,readonly", "share needs a file name"},
        };
        for (String[] bad : all) {
            assertEquals(
                    bad[1],
                    assertThrows(VmmException.class, () -> shares(bad[0])).getMessage());
        }
        assertEquals(
                "two shares have the tag a",
                assertThrows(VmmException.class, () -> shares("share=a,b", "share=a,c"))
                        .getMessage());
        assertEquals(
                "a VM has at most 3 shares",
                assertThrows(VmmException.class, () -> shares("share=a,b", "share=b,b", "share=c,b", "share=d,b"))
                        .getMessage());
        assertEquals(
                "files that others may change do not repeat: no share with deterministic",
                assertThrows(VmmException.class, () -> shares("share=a,b", "deterministic=1"))
                        .getMessage());
    }
}
