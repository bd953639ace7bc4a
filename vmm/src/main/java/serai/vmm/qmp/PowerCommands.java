package serai.vmm.qmp;

/** The buttons: {@code system_powerdown}, {@code system_reset}, {@code system_wakeup}. */
public final class PowerCommands {
    private final RunControl vm;
    private final Events events;

    /** Of a VM. */
    public PowerCommands(RunControl vm, Events events) {
        this.vm = vm;
        this.events = events;
    }

    /** Puts them into the table. */
    public void addTo(CommandTable table) {
        table.add("system_powerdown", a -> {
            vm.powerDown();
            events.tell("POWERDOWN", Json.object());
            return Json.object();
        });
        table.add("system_reset", a -> {
            vm.reset();
            return Json.object();
        });
        table.add("system_wakeup", a -> {
            if (!vm.wakeUp()) {
                throw new QmpException("Unable to wake up: guest is not in suspended state");
            }
            return Json.object();
        });
    }
}
