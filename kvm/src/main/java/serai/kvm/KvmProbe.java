package serai.kvm;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import serai.linux.Errno;
import serai.linux.Fd;
import serai.linux.HostThread;
import serai.linux.Linux;
import serai.linux.LinuxException;
import serai.linux.SharedMapping;
import serai.machine.engine.CpuModel;

/**
 * Whether KVM is worth using here, by measuring.
 *
 * @param present /dev/kvm runs guests, however slowly
 * @param available the engine of choice: it runs ring 0 fast and the guest's TSC at its fixed frequency
 * @param reason one sentence fragment that says why, for {@code serai: engine NAME: why}
 * @param mips millions of ring-0 instructions a second that were measured; 0 if not {@code present}
 */
public record KvmProbe(boolean present, boolean available, String reason, double mips) {
    /** Below, the interpreter is as good; VT-x and SVM give thousands, an emulated ring 0 one or two. */
    public static final double WORTHWHILE_MIPS = 200;

    /** {@code mov ecx, N; loop: dec ecx; jnz loop; hlt}: two instructions a round, no memory, no exit. */
    private static final byte[] LOOP = {(byte) 0xb9, 0, 0, 0, 0, 0x49, 0x75, (byte) 0xfd, (byte) 0xf4};

    private static final long CODE = 0x1000;
    /** A millisecond on a good host. */
    private static final int ROUNDS = 2_000_000;

    private static final long LIMIT_MILLIS = 20;

    /** Measures, in less than 150 ms. Never throws. */
    public static KvmProbe measure() {
        if (!Linux.available() || System.getProperty("os.arch", "").equals("aarch64")) {
            return absent("KVM on x86-64 Linux only");
        }
        try (Arena arena = Arena.ofConfined();
                Fd kvm = Fd.openDevice(KvmEngine.DEVICE)) {
            return new Measurement(arena, kvm).take();
        } catch (LinuxException e) {
            return switch (e.errno()) {
                case Errno.ENOENT -> absent("no /dev/kvm");
                case Errno.EACCES, Errno.EPERM -> absent("/dev/kvm may not be opened (is the user in group kvm?)");
                default -> absent("KVM unusable: " + e.getMessage());
            };
        } catch (IOException | RuntimeException | LinkageError e) {
            return absent("KVM unusable: " + e.getMessage());
        }
    }

    /** Whether an instruction breakpoint in the debug registers stops ring 0 here; a software flavour of KVM ignores it. */
    static boolean debugRegistersWork() {
        return DebugRegisters.WORK;
    }

    private static final class DebugRegisters {
        static final boolean WORK = test();

        private static boolean test() {
            try (Arena arena = Arena.ofConfined();
                    Fd kvm = Fd.openDevice(KvmEngine.DEVICE)) {
                return new Measurement(arena, kvm).breakpoint();
            } catch (IOException e) {
                return false;
            }
        }
    }

    private static KvmProbe absent(String reason) {
        return new KvmProbe(false, false, reason, 0);
    }

    private static final class Measurement {
        private final Arena arena;
        private final Fd kvm;

        Measurement(Arena arena, Fd kvm) {
            this.arena = arena;
            this.kvm = kvm;
        }

        @FunctionalInterface
        private interface Trial<T> {
            T with(Fd vcpu, SharedMapping run, SharedMapping ram) throws IOException;
        }

        KvmProbe take() throws IOException {
            return inTinyVm((vcpu, run, ram) -> judge(speed(vcpu, run, ram), tscRight(vcpu)));
        }

        /** Breaks at the HLT of a loop of one round. */
        boolean breakpoint() throws IOException {
            return inTinyVm((vcpu, run, ram) -> {
                MemorySegment d = arena.allocate(72, 8);
                d.set(ValueLayout.JAVA_INT, 0, Kvm.GUESTDBG_ENABLE | Kvm.GUESTDBG_USE_HW_BP);
                d.set(ValueLayout.JAVA_LONG, 8, CODE + LOOP.length - 1);
                d.set(ValueLayout.JAVA_LONG, 8 + 8 * 7, 0x402);
                start(vcpu, ram, 1);
                return vcpu.ioctl(Kvm.SET_GUEST_DEBUG, d.address()) == 0
                        && vcpu.ioctl(Kvm.RUN, 0) == 0
                        && new RunPage(run.segment()).exitReason() == Kvm.EXIT_DEBUG;
            });
        }

        private <T> T inTinyVm(Trial<T> trial) throws IOException {
            try (Fd vm = new Fd(kvm.ioctl(Kvm.CREATE_VM, 0, "KVM_CREATE_VM"));
                    SharedMapping ram = SharedMapping.create("kvm-probe", 8192)) {
                if (KvmCapabilities.check(kvm, Kvm.CAP_SET_TSS_ADDR) > 0) {
                    vm.ioctl(Kvm.SET_TSS_ADDR, 0xfeffd000L, "KVM_SET_TSS_ADDR");
                }
                MemorySegment m = arena.allocate(32, 8);
                m.set(ValueLayout.JAVA_LONG, 16, ram.size());
                m.set(ValueLayout.JAVA_LONG, 24, ram.address());
                vm.ioctl(Kvm.SET_USER_MEMORY_REGION, m.address(), "KVM_SET_USER_MEMORY_REGION");
                try (Fd vcpu = new Fd(vm.ioctl(Kvm.CREATE_VCPU, 0, "KVM_CREATE_VCPU"));
                        SharedMapping run = SharedMapping.map(
                                vcpu.number(),
                                0,
                                kvm.ioctl(Kvm.GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE"),
                                true)) {
                    return trial.with(vcpu, run, ram);
                }
            }
        }

        private boolean tscRight(Fd vcpu) {
            return KvmCapabilities.check(kvm, Kvm.CAP_TSC_CONTROL) > 0
                    || vcpu.ioctl(Kvm.GET_TSC_KHZ, 0) == CpuModel.TSC_HZ / 1000;
        }

        private static KvmProbe judge(double mips, boolean tscRight) {
            if (mips < WORTHWHILE_MIPS) {
                return new KvmProbe(
                        true,
                        false,
                        String.format(
                                Locale.ROOT, "/dev/kvm runs ring 0 at %.1f million instructions a second only", mips),
                        mips);
            }
            if (!tscRight) {
                return new KvmProbe(true, false, "KVM can't scale the TSC here, guests' clocks would run wrong", mips);
            }
            return new KvmProbe(
                    true,
                    true,
                    String.format(Locale.ROOT, "KVM runs ring 0 at %.0f million instructions a second", mips),
                    mips);
        }

        private void start(Fd vcpu, SharedMapping ram, int rounds) throws IOException {
            MemorySegment.copy(MemorySegment.ofArray(LOOP), 0, ram.segment(), CODE, LOOP.length);
            ram.segment().set(ValueLayout.JAVA_INT_UNALIGNED, CODE + 1, rounds);
            // flat 32-bit protected mode: real mode would be emulated on old VT-x
            MemorySegment s = arena.allocate(312, 8);
            vcpu.ioctl(Kvm.GET_SREGS, s.address(), "KVM_GET_SREGS");
            for (int at = 0; at <= 120; at += 24) {
                s.set(ValueLayout.JAVA_LONG, at, 0);
                s.set(ValueLayout.JAVA_INT, at + 8, -1);
                s.set(ValueLayout.JAVA_SHORT, at + 12, (short) (at == 0 ? 8 : 16));
                byte[] rest = {(byte) (at == 0 ? 11 : 3), 1, 0, 1, 1, 0, 1, 0, 0
                }; // type, P, DPL, DB, S, L, G, AVL, unusable
                MemorySegment.copy(MemorySegment.ofArray(rest), 0, s, at + 14, rest.length);
            }
            s.set(ValueLayout.JAVA_LONG, 224, s.get(ValueLayout.JAVA_LONG, 224) | 1);
            vcpu.ioctl(Kvm.SET_SREGS, s.address(), "KVM_SET_SREGS");
            MemorySegment r = arena.allocate(144, 8);
            r.set(ValueLayout.JAVA_LONG, 128, CODE);
            r.set(ValueLayout.JAVA_LONG, 136, 2);
            vcpu.ioctl(Kvm.SET_REGS, r.address(), "KVM_SET_REGS");
        }

        /** Runs the loop to its end or for {@link #LIMIT_MILLIS}: millions of instructions a second. */
        private double speed(Fd vcpu, SharedMapping run, SharedMapping ram) throws IOException {
            start(vcpu, ram, ROUNDS);
            MemorySegment r = arena.allocate(144, 8);
            RunPage page = new RunPage(run.segment());
            HostThread self = HostThread.current();
            CountDownLatch done = new CountDownLatch(1);
            Thread watchdog = Thread.ofPlatform()
                    .daemon()
                    .name("serai-kvm-probe")
                    .start(() -> {
                        try {
                            if (!done.await(LIMIT_MILLIS, TimeUnit.MILLISECONDS)) {
                                do { // until it has ended: a signal just before the call would be lost
                                    page.immediateExit(true);
                                    self.interruptSystemCall();
                                } while (!done.await(1, TimeUnit.MILLISECONDS));
                            }
                        } catch (InterruptedException e) {
                            Thread.currentThread().interrupt();
                        }
                    });
            long start = System.nanoTime();
            int result = vcpu.ioctl(Kvm.RUN, 0);
            long nanos = System.nanoTime() - start;
            done.countDown();
            joinUninterruptibly(watchdog); // it holds the page, which the caller unmaps
            long left = 0;
            if (result == -Errno.EINTR) {
                vcpu.ioctl(Kvm.GET_REGS, r.address(), "KVM_GET_REGS");
                left = Math.clamp(r.get(ValueLayout.JAVA_LONG, 16), 0, ROUNDS); // RCX
            } else if (result < 0) {
                throw new IOException("KVM_RUN: " + Errno.name(-result));
            } else if (page.exitReason() != Kvm.EXIT_HLT) {
                throw new IOException("a short loop ended with exit reason " + page.exitReason());
            }
            if (left == ROUNDS) {
                throw new IOException("a short loop makes no progress");
            }
            return 2_000.0 * (ROUNDS - left) / Math.max(1, nanos);
        }

        private static void joinUninterruptibly(Thread thread) {
            boolean interrupted = false;
            while (true) {
                try {
                    thread.join();
                    break;
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
