package serai.storage.qcow2;

import java.util.List;

/**
 * What a check found.
 *
 * @param messages one sentence for each finding, the first hundred
 * @param errors what would lose data
 * @param leaks clusters that are counted more often than they are used
 * @param errorsMended how many of the errors have been mended
 * @param leaksMended how many of the leaks
 * @param imageEnd bytes of the file that are in use: where the last cluster ends
 * @param totalClusters clusters of the disk
 * @param allocatedClusters those that are in the file
 * @param compressedClusters those of them that are compressed
 * @param fragmentedClusters those that do not follow the one before in the file
 */
public record CheckResult(
        List<String> messages,
        long errors,
        long leaks,
        long errorsMended,
        long leaksMended,
        long imageEnd,
        long totalClusters,
        long allocatedClusters,
        long compressedClusters,
        long fragmentedClusters) {
    /** Whether nothing is wrong any more. */
    public boolean clean() {
        return errors == errorsMended && leaks == leaksMended;
    }
}
