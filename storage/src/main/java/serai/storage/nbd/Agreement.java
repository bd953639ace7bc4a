package serai.storage.nbd;

import java.util.List;

/**
 * What a negotiation has led to.
 *
 * @param size bytes of the export, as the client was told; requests past it are refused even if the disk grows
 * @param structured whether replies are structured
 * @param contexts that BLOCK_STATUS tells; the index of one is its id
 */
record Agreement(ServedExport export, long size, boolean structured, List<MetaContext> contexts) {}
