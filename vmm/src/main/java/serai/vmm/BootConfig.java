package serai.vmm;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What a VM boots.
 *
 * @param kernel the kernel; null only if a snapshot is loaded
 * @param initrd the initial RAM disk, or null
 * @param append the kernel's command line
 */
public record BootConfig(@Nullable Path kernel, @Nullable Path initrd, String append) {
    static final class Group implements WordGroup {
        private @Nullable Path kernel;
        private @Nullable Path initrd;
        private String append = "";

        @Override
        public boolean take(String key, String v) throws VmmException {
            switch (key) {
                case "kernel" -> kernel = Words.path(key, v);
                case "initrd" -> initrd = Words.path(key, v);
                case "append" -> append = v;
                default -> {
                    return false;
                }
            }
            return true;
        }

        /**
         * All of it.
         *
         * @param loads whether a snapshot is loaded
         */
        BootConfig finish(boolean loads) throws VmmException {
            if (kernel == null && !loads) {
                throw Words.usage("no kernel given; try kernel=FILE");
            }
            if (initrd != null && kernel == null) {
                throw Words.usage("an initrd needs a kernel");
            }
            return new BootConfig(kernel, initrd, append);
        }
    }
}
