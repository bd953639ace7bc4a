package serai.image;

/** An image can't be had. The message is one sentence for the user: what failed, why, and what to do about it. */
public final class ImageException extends Exception {
    /** With the sentence to show. */
    public ImageException(String message) {
        super(message);
    }

    /** With the sentence to show and what led to it. */
    public ImageException(String message, Throwable cause) {
        super(message, cause);
    }
}
