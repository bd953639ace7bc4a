/**
 * The {@code serai} command.
 *
 * <p>{@link serai.cli.Main} parses with picocli and turns every failure into one sentence and an even status
 * ({@link serai.cli.Status}). {@code serai run} resolves the image, checks what can be checked without touching the
 * guest, and starts a VMM as a process of its own; there is no compile-time tie to it. Their contract is the VMM's
 * command line, in {@link serai.cli.VmmProcess}.
 */
@NullMarked
package serai.cli;

import org.jspecify.annotations.NullMarked;
