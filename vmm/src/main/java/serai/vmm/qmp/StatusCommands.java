package serai.vmm.qmp;

import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Run, stop, end, and how things are: {@code query-status}, {@code query-current-machine},
 * {@code query-cpus-fast}, {@code stop}, {@code cont}, {@code quit}. */
public final class StatusCommands {
    private final RunControl vm;

    /** Of a VM. */
    public StatusCommands(RunControl vm) {
        this.vm = vm;
    }

    /** Puts them into the table. */
    public void addTo(CommandTable table) {
        table.add("query-status", a -> status());
        table.add("query-current-machine", a -> Json.object().put("wakeup-suspend-support", true));
        table.add("query-cpus-fast", a -> cpus());
        table.add("stop", a -> {
            vm.pause();
            return Json.object();
        });
        table.add("cont", a -> {
            vm.resume();
            return Json.object();
        });
        table.add("quit", a -> {
            vm.quit();
            return Json.object();
        });
    }

    private ObjectNode status() {
        RunControl.Status s = vm.status();
        return Json.object()
                .put("status", s.word)
                .put("running", s == RunControl.Status.RUNNING)
                .put("singlestep", false); // clients of QEMU before 9 expect it
    }

    private ArrayNode cpus() {
        ArrayNode all = Json.array();
        for (RunControl.Cpu c : vm.cpus()) {
            ObjectNode o = all.addObject();
            o.put("cpu-index", c.index());
            o.put("thread-id", c.thread());
            o.put("target", "x86_64");
            o.put("qom-path", "/machine/unattached/device[" + c.index() + "]");
            o.putObject("props").put("socket-id", 0).put("core-id", c.index()).put("thread-id", 0);
        }
        return all;
    }
}
