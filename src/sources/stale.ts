import type { Claim } from '../offsets/store.js';
import type { Position, StaleState } from '../position.js';
import { nameOf } from '../position.js';

/**
 * Sets claims right that others have overtaken.
 *
 * A store mirrors its frontiers to the group after they are on disk, so the group is ahead of a store only by another one's work. What is
 * remembered here beyond the group's frontier was finished in this store's own past and says nothing of the other's, so it is dropped.
 */
export function upToDate(
  claims: readonly Claim[],
  committed: readonly Position[],
): { claims: readonly Claim[]; stale: readonly StaleState[] } {
  const byPartition = new Map(committed.map((position) => [nameOf(position), position.offset]));
  const stale: StaleState[] = [];
  const current = claims.map((claim) => {
    const { topic, partition, epoch, checkpoint } = claim;
    const frontier = byPartition.get(nameOf(claim));
    if (frontier === undefined || frontier <= (checkpoint?.frontier ?? -1)) return claim;
    // At 0 nobody has worked: it was chosen, as by a `seek`.
    if (frontier > 0) stale.push({ topic, partition, local: checkpoint?.frontier, committed: frontier });
    return { ...claim, checkpoint: { topic, partition, epoch, frontier, runs: [], metadata: checkpoint?.metadata ?? '' } };
  });
  return { claims: current, stale };
}
