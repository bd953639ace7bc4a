package serai.vmm;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import serai.machine.Layout;
import serai.vmm.net.Network;
import serai.vmm.net.NicModel;

/**
 * A network interface.
 *
 * @param id its name on the control socket
 * @param model what the guest sees
 * @param mac its address, 48 bits
 * @param mtu bytes that the guest is told it may send at once, or 0 for what networks allow
 * @param network what it is plugged into
 * @param capture the file that all its frames are written to, or null
 */
public record NicConfig(
        String id,
        NicModel model,
        long mac,
        int mtu,
        Network network,
        @Nullable Path capture) {
    /** Interfaces of a VM at most. */
    public static final int MAX = Layout.LAST_NIC_SLOT - Layout.FIRST_NIC_SLOT + 1;

    private static final Pattern MAC = Pattern.compile("\\p{XDigit}{2}(:\\p{XDigit}{2}){5}");
    private static final Pattern ID = Pattern.compile("[A-Za-z][A-Za-z0-9._-]{0,30}");
    private static final int MIN_MTU = 68, MAX_MTU = 65_535;

    /** All interfaces: {@code net=KIND[,KEY=VALUE]...}, QEMU's words; a comma in a value is written twice. */
    static final class Group implements WordGroup {
        private final List<NicConfig> nics = new ArrayList<>();
        private final Set<String> ids = new HashSet<>();

        @Override
        public boolean take(String key, String v) throws VmmException {
            if (!key.equals("net")) {
                return false;
            }
            if (nics.size() == MAX) {
                throw Words.usage("a VM has at most " + MAX + " network interfaces");
            }
            NicConfig n = parse(v, nics.size());
            if (!ids.add(n.id)) {
                throw Words.usage("there is a network interface '" + n.id + "' already");
            }
            nics.add(n);
            return true;
        }

        List<NicConfig> finish() {
            return List.copyOf(nics);
        }
    }

    private static NicConfig parse(String v, int number) throws VmmException {
        List<String> words = Words.split(v);
        NetworkWords network = NetworkWords.of(words.getFirst());
        String id = "net" + number;
        NicModel model = NicModel.VIRTIO;
        long mac = -1;
        int mtu = 0;
        Path capture = null;
        for (String w : words.subList(1, words.size())) {
            int eq = w.indexOf('=');
            String key = eq < 0 ? w : w.substring(0, eq);
            String value = eq < 0 ? "on" : w.substring(eq + 1);
            switch (key) {
                case "id" -> {
                    if (!ID.matcher(value).matches()) {
                        throw Words.usage("id of a network interface must be a letter and at most 30 letters, digits,"
                                + " '.', '_' or '-', not '" + value + "'");
                    }
                    id = value;
                }
                case "model" -> model = model(value);
                case "mac" -> mac = mac(value);
                case "mtu" -> mtu = (int) Words.number("mtu of a network interface", value, MIN_MTU, MAX_MTU);
                case "capture" -> capture = Words.path("capture of a network interface", value);
                default -> {
                    if (!network.take(key, value)) {
                        throw Words.usage(
                                "a network interface of '" + words.getFirst() + "' has no setting '" + key + "'");
                    }
                }
            }
        }
        if (mtu != 0 && model == NicModel.E1000) {
            throw Words.usage("an e1000 can't tell the guest an mtu; the model virtio can");
        }
        return new NicConfig(id, model, mac, mtu, network.finish(), capture);
    }

    private static NicModel model(String v) throws VmmException {
        return switch (v) {
            case "virtio", "virtio-net-pci" -> NicModel.VIRTIO;
            case "e1000" -> NicModel.E1000;
            default -> throw Words.usage("model of a network interface must be virtio or e1000, not '" + v + "'");
        };
    }

    private static long mac(String v) throws VmmException {
        if (!MAC.matcher(v).matches()) {
            throw Words.usage("mac of a network interface must be like 52:54:00:12:34:56, not '" + v + "'");
        }
        long mac = Long.parseLong(v.replace(":", ""), 16);
        if ((mac >>> 40 & 1) != 0 || mac == 0) {
            throw Words.usage(
                    "mac " + v + " is not the address of one interface: the first byte must be even, and not all 0");
        }
        return mac;
    }
}
