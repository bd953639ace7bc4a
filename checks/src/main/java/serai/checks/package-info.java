/**
 * What holds for the house as a whole: the modules' arrows, the guests of {@code guests/} on every engine, whole runs of
 * a VMM in its own process.
 *
 * <p>The classes here are the harness; the tests beside them use it.
 *
 * <pre>{@code
 * for (Guest guest : Guests.all()) {
 *     Vmm.Result r = Vmm.run("kernel=" + Guests.binary(guest), "debugcon=stdio", "debug-exit=0xf4");
 * }
 * }</pre>
 */
@NullMarked
package serai.checks;

import org.jspecify.annotations.NullMarked;
