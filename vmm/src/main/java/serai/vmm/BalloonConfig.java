package serai.vmm;

/**
 * The memory balloon, as the word says: {@code balloon=true|false|SIZE}.
 *
 * @param present whether the machine has one
 * @param bytes of memory that the guest is to be left with at the start, or 0 for all of it
 */
public record BalloonConfig(boolean present, long bytes) {
    static final class Group implements WordGroup {
        private BalloonConfig balloon = new BalloonConfig(false, 0);

        @Override
        public boolean take(String key, String v) throws VmmException {
            if (!key.equals("balloon")) {
                return false;
            }
            balloon = switch (v) {
                case "true" -> new BalloonConfig(true, 0);
                case "false" -> new BalloonConfig(false, 0);
                default -> {
                    if (!v.matches("\\d.*")) {
                        throw Words.usage(
                                "balloon must be true, false or what the guest is to be left with, such as 256M,"
                                        + " not '" + v + "'");
                    }
                    yield new BalloonConfig(true, Words.memory(v));
                }
            };
            return true;
        }

        BalloonConfig finish() {
            return balloon;
        }
    }
}
