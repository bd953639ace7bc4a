package serai.machine.pit;

import serai.machine.Device;
import serai.machine.bus.IrqLine;
import serai.machine.bus.PortDevice;
import serai.machine.time.Timers;

/** The 8254 interval timer (Intel 231164) at ports 0x40 to 0x43, and port 0x61 with channel 2's gate and output. */
public final class Pit implements Device<PitState>, PortDevice {
    /** The input clock, in hertz. */
    public static final long HZ = 1_193_182;

    private final Timers timers;
    private final Timers.Timer timer;
    private final IrqLine irq;
    private final int[] mode = new int[3];
    private final int[] access = new int[3];
    private final int[] reload = new int[3];
    private final long[] start = new long[3];
    private final int[] latched = new int[3];
    private final int[] flip = new int[3];
    private final int[] status = new int[3];
    private final int[] low = new int[3];
    private int gate2;
    private boolean output0;

    /** With channel 0's output on {@code irq}. */
    public Pit(Timers timers, IrqLine irq) {
        this.timers = timers;
        this.irq = irq;
        timer = timers.timer(this::fire);
        reset();
    }

    private long now() {
        return timers.clock().nanos();
    }

    /** When the count has reached so many ticks: rounded up, and split as below. */
    private static long nanos(long ticks) {
        return ticks / HZ * 1_000_000_000L + (ticks % HZ * 1_000_000_000L + HZ - 1) / HZ;
    }

    private int period(int c) {
        return reload[c] == 0 ? 0x10000 : reload[c];
    }

    /** Ticks since the count began. Split so that it overflows only after centuries. */
    private long ticks(int c) {
        long ns = now() - start[c];
        return ns / 1_000_000_000L * HZ + ns % 1_000_000_000L * HZ / 1_000_000_000L;
    }

    private boolean periodic(int c) {
        return mode[c] == 2 || mode[c] == 3;
    }

    private int count(int c) {
        long t = ticks(c);
        int p = period(c);
        if (mode[c] == 3) {
            return (int) (p - t * 2 % p) & 0xfffe;
        }
        return periodic(c) ? (int) (p - t % p) & 0xffff : (int) (p - t) & 0xffff;
    }

    private boolean output(int c) {
        long t = ticks(c);
        int p = period(c);
        return switch (mode[c]) {
            case 0, 1 -> t >= p;
            case 2 -> t % p != p - 1;
            case 3 -> t % p < (p + 1) / 2;
            default -> t != p;
        };
    }

    private void load(int c, int value) {
        reload[c] = value;
        start[c] = now();
        if (c == 0) {
            schedule();
        }
    }

    /** Channel 0: modes 0 and 4 fire once, 2 and 3 at each period. */
    private void schedule() {
        timer.cancel();
        setOutput(mode[0] != 0);
        timer.arm(start[0] + nanos(period(0)));
    }

    private void setOutput(boolean high) {
        output0 = high;
        irq.set(high);
    }

    private void fire() {
        if (periodic(0)) {
            // an edge: low for an instant, then high
            setOutput(false);
            setOutput(true);
            long n = ticks(0) / period(0) + 1;
            timer.arm(Math.max(start[0] + nanos(n * period(0)), now() + 1));
        } else {
            setOutput(false);
            setOutput(true);
        }
    }

    @Override
    public int readPort(int port, int size) {
        if (port == 0x61) {
            // bit 4 toggles with memory refresh (15 us), bit 5 is channel 2's output
            return gate2 | (int) (now() / 15_085 & 1) << 4 | (output(2) ? 0x20 : 0);
        }
        int c = port & 3;
        if (c == 3) {
            return 0;
        }
        if ((flip[c] & 4) != 0) {
            flip[c] &= ~4;
            return status[c];
        }
        int v = latched[c] >= 0 ? latched[c] : count(c);
        boolean high = access[c] == 2 || access[c] == 3 && (flip[c] & 1) != 0;
        if (access[c] == 3) {
            flip[c] ^= 1;
            if ((flip[c] & 1) == 0) {
                latched[c] = -1;
            }
        } else {
            latched[c] = -1;
        }
        return high ? v >>> 8 & 0xff : v & 0xff;
    }

    @Override
    public void writePort(int port, int size, int value) {
        int v = value & 0xff;
        if (port == 0x61) {
            if ((v & 1) != 0 && (gate2 & 1) == 0) {
                start[2] = now();
            }
            gate2 = v & 3;
            return;
        }
        int c = port & 3;
        if (c == 3) {
            control(v);
            return;
        }
        switch (access[c]) {
            case 1 -> load(c, v);
            case 2 -> load(c, v << 8);
            default -> {
                if ((flip[c] & 2) == 0) {
                    low[c] = v;
                    flip[c] |= 2;
                } else {
                    flip[c] &= ~2;
                    load(c, low[c] | v << 8);
                }
            }
        }
    }

    private void control(int v) {
        int c = v >>> 6;
        if (c == 3) {
            for (int i = 0; i < 3; i++) {
                if ((v & 2 << i) != 0) {
                    if ((v & 0x20) == 0) {
                        latch(i);
                    }
                    if ((v & 0x10) == 0) {
                        status[i] = (output(i) ? 0x80 : 0) | access[i] << 4 | mode[i] << 1;
                        flip[i] |= 4;
                    }
                }
            }
            return;
        }
        int a = v >>> 4 & 3;
        if (a == 0) {
            latch(c);
            return;
        }
        access[c] = a;
        int m = v >>> 1 & 7;
        mode[c] = m > 5 ? m - 4 : m;
        flip[c] = 0;
        latched[c] = -1;
        if (c == 0) {
            timer.cancel();
            setOutput(mode[0] != 0);
        }
    }

    private void latch(int c) {
        if (latched[c] < 0) {
            latched[c] = count(c);
        }
    }

    @Override
    public String name() {
        return "pit";
    }

    @Override
    public void reset() {
        for (int c = 0; c < 3; c++) {
            mode[c] = 3;
            access[c] = 3;
            reload[c] = 0;
            start[c] = now();
            latched[c] = -1;
            flip[c] = 0;
            status[c] = 0;
            low[c] = 0;
        }
        gate2 = 0;
        timer.cancel();
        setOutput(false);
    }

    @Override
    public PitState save() {
        return new PitState(
                1,
                mode.clone(),
                access.clone(),
                reload.clone(),
                start.clone(),
                latched.clone(),
                flip.clone(),
                status.clone(),
                low.clone(),
                gate2,
                timer.deadline(),
                output0);
    }

    @Override
    public void restore(PitState s) {
        if (s.version() != 1) {
            throw new IllegalArgumentException("8254 state of version " + s.version());
        }
        for (int[] a : new int[][] {s.mode(), s.access(), s.reload(), s.latched(), s.flip(), s.status(), s.low()}) {
            if (a.length != 3) {
                throw new IllegalArgumentException("8254 state with " + a.length + " channels");
            }
        }
        for (int c = 0; c < 3; c++) {
            if (s.start().length != 3
                    || s.mode()[c] < 0
                    || s.mode()[c] > 5
                    || s.reload()[c] >>> 16 != 0
                    || s.start()[c] < 0
                    || s.start()[c] > now()) {
                throw new IllegalArgumentException("8254 state that no 8254 has");
            }
        }
        int[][] to = {mode, access, reload, latched, flip, status, low};
        int[][] from = {s.mode(), s.access(), s.reload(), s.latched(), s.flip(), s.status(), s.low()};
        for (int i = 0; i < to.length; i++) {
            System.arraycopy(from[i], 0, to[i], 0, 3);
        }
        System.arraycopy(s.start(), 0, start, 0, 3);
        gate2 = s.gate2();
        setOutput(s.output0());
        timer.restore(s.deadline0());
    }

    @Override
    public Class<PitState> stateType() {
        return PitState.class;
    }
}
