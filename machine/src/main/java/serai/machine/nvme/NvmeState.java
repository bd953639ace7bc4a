package serai.machine.nvme;

import java.util.List;
import serai.machine.pci.PciState;

/**
 * State of an NVMe controller.
 *
 * @param version 1
 * @param pci the PCI function
 * @param configuration register CC
 * @param status register CSTS
 * @param adminSizes register AQA
 * @param adminSubmissions register ASQ
 * @param adminCompletions register ACQ
 * @param interruptMask registers INTMS and INTMC
 * @param features values by feature id, 0 to 15
 * @param submissions the queues there are, the admin queue among them
 * @param completions likewise
 * @param events the log, the events and the requests for them
 * @param counters for the health log: units read, units written, read commands, write commands
 * @param commands under way, each ten words: submission queue, when due, the command
 */
public record NvmeState(
        int version,
        PciState pci,
        int configuration,
        int status,
        int adminSizes,
        long adminSubmissions,
        long adminCompletions,
        int interruptMask,
        int[] features,
        List<Submission> submissions,
        List<Completion> completions,
        Events events,
        long[] counters,
        long[] commands) {

    /**
     * State of a submission queue.
     *
     * @param id 0 is the admin queue's
     * @param base guest-physical
     * @param size entries
     * @param completions id of its completion queue
     * @param head index of the next entry to take
     * @param tail index behind the last one
     */
    public record Submission(int id, long base, int size, int completions, int head, int tail) {}

    /**
     * State of a completion queue.
     *
     * @param id 0 is the admin queue's
     * @param base guest-physical
     * @param size entries
     * @param interrupts whether it has them
     * @param vector MSI-X vector
     * @param head index of the next entry the driver takes
     * @param tail index behind the last one
     * @param phase of the next entry
     */
    public record Completion(
            int id, long base, int size, boolean interrupts, int vector, int head, int tail, boolean phase) {}

    /**
     * State of asynchronous events.
     *
     * @param requests command ids of those that wait for an event
     * @param pending events that wait for a request, a bit each
     * @param masked types that wait for their log page to be read, a bit each
     * @param namespaceChanged whether the log of changed namespaces has the namespace
     * @param errors how many there have been
     * @param error the log's newest entry, eight words
     */
    public record Events(
            int[] requests, int pending, int masked, boolean namespaceChanged, long errors, long[] error) {}
}
