/**
 * Limits of what a disk may do in a second.
 *
 * <p>{@link serai.storage.throttle.Limits} say how much, a {@link serai.storage.throttle.Throttle} says when a request may begin, without
 * making a thread wait; a {@link serai.storage.throttle.ThrottledDisk} is the layer for those whose threads may wait. Several disks that
 * share a throttle share its limits.
 *
 * <pre>{@code
 * Throttle throttle = new Throttle(Limits.NONE.withIops(new Limit(500, 2000, 10)), Alarm.real());
 * BlockDevice disk = new ThrottledDisk(image, throttle);
 * throttle.limits(Limits.NONE); // while it is read and written
 * }</pre>
 */
@NullMarked
package serai.storage.throttle;

import org.jspecify.annotations.NullMarked;
