/** Networks that several machines share: {@link serai.network.lan.Switch}, and {@link serai.network.lan.SwitchMain} as a process of its own. */
@NullMarked
package serai.network.lan;

import org.jspecify.annotations.NullMarked;
