package serai.vmm;

import java.util.List;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;

/**
 * The process of one VM: {@code key=value} words in, an exit status out. {@link VmConfig} has the words,
 * {@link VmmException} the statuses; beside those: 0 the guest has powered off, odd values its debug-exit, 130 ended by
 * Ctrl-A X.
 */
public final class Main {
    private Main() {}

    /** Runs one VM and ends the process. */
    public static void main(String[] args) {
        System.exit(run(List.of(args)));
    }

    /** Runs one VM and gives its status. */
    static int run(List<String> words) {
        try (Console console = new Console(System.err)) {
            log(console);
            End end;
            try {
                VmConfig config = VmConfig.parse(words);
                try (Vm vm = new Vm(config, console)) {
                    HeapWatch.start();
                    end = vm.run();
                    if (config.session().stats()) {
                        console.say(vm.stats());
                    }
                    vm.writeProfile();
                }
            } catch (VmmException e) {
                end = new End(e.status(), String.valueOf(e.getMessage()));
            } catch (OutOfMemoryError e) {
                end = new End(VmmException.HOST, "the VMM has run out of memory of its own");
            } catch (RuntimeException | Error e) {
                if (System.getProperty("serai.debug") != null) {
                    e.printStackTrace();
                }
                end = new End(VmmException.HOST, "an error in Serai itself (-Dserai.debug shows where): " + e);
            }
            console.close();
            if (!end.message().isEmpty()) {
                System.err.println("serai: " + end.message());
            }
            return end.status();
        }
    }

    /** What modules log, a line each, in the manner of everything else of ours. */
    private static void log(Console console) {
        LogManager.getLogManager().reset();
        SimpleFormatter plain = new SimpleFormatter();
        Handler handler = new Handler() {
            @Override
            public void publish(LogRecord record) {
                if (record.getLevel().intValue() >= Level.INFO.intValue()) {
                    console.say("serai: " + plain.formatMessage(record) + "\n");
                }
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        Logger.getLogger("").addHandler(handler);
    }
}
