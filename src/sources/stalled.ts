import { StalledError } from '../errors.js';
import { bare, nameOf } from '../position.js';
import type { Demand } from './demand.js';
import { PartitionLane } from './lane.js';
import type { ResolvedSourceOptions } from './sourceOptions.js';

/** No credit has come back for `stallAfterMs`: to the source, or to one partition that has used up its share. */
export function stalled(
  whose: readonly PartitionLane[] | PartitionLane,
  demand: Pick<Demand, 'open' | 'openBytes'>,
  { maxInFlight, maxInFlightBytes, stallAfterMs }: ResolvedSourceOptions,
): StalledError {
  const [lanes, open, openBytes, share] =
    whose instanceof PartitionLane
      ? [[whose], whose.records, whose.bytes, "the partition's share of "]
      : [whose, demand.open, demand.openBytes, ''];
  const fullest = [...lanes].sort((a, b) => b.records - a.records);
  const positions = fullest.filter((lane) => lane.records > 0).map((lane) => ({ ...bare(lane), offset: lane.oldest }));
  const [oldest] = positions;
  const where = oldest === undefined ? 'none is known' : `the oldest of ${nameOf(oldest)} is at ${oldest.offset}`;
  return new StalledError(
    `${open} records (${openBytes} bytes) are open, as many as ${share}\`maxInFlight\` (${maxInFlight}) or \`maxInFlightBytes\` (${maxInFlightBytes}) allow, and none was ` +
      `finished for ${stallAfterMs} ms; ${where}. If an operator drops records (filter, distinctUntilChanged, throttleTime), use filterValue, or ` +
      'commit({ ordered: true }). If one collects more than that before it emits (bufferCount), raise `maxInFlight`. If the work is only slow, raise `stallAfterMs`.',
    { positions, open, stalledMs: stallAfterMs },
  );
}
