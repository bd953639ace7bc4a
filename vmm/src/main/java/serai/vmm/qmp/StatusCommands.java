package serai.vmm.qmp;

import tools.jackson.databind.node.ObjectNode;

/** Run, stop, end, and how things are: {@code query-status}, {@code query-current-machine}, {@code stop}, {@code cont}, {@code quit}. */
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
}
