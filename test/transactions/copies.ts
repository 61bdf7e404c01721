/** What became of the inputs, as readers of committed records see it. */
export interface Copies {
  /** Everything that the promise forbids, in words. Empty if it was kept. */
  readonly broken: readonly string[];
  readonly lost: number;
  /** How many records were written more than once. */
  readonly repeated: number;
}

/** Holds the numbers that were written against those that were to be, and the group's offsets against the ends of the log. */
export function judge(
  records: number,
  written: readonly number[],
  offsets: readonly { readonly committed: number; readonly end: number }[],
): Copies {
  const times = new Uint32Array(records);
  let strange = 0;
  for (const number of written) {
    if (number < records) times[number] = (times[number] as number) + 1;
    else strange += 1;
  }
  const lost = times.filter((count) => count === 0).length;
  const repeated = times.filter((count) => count > 1).length;
  const broken: string[] = [];
  if (lost > 0) broken.push(`${lost} records were never written`);
  if (repeated > 0) broken.push(`${repeated} records were written more than once`);
  if (strange > 0) broken.push(`${strange} records were written that nobody has read`);
  offsets.forEach(({ committed, end }, partition) => {
    if (committed !== end) broken.push(`the group stands at ${committed} in partition ${partition}, which ends at ${end}`);
  });
  return { broken, lost, repeated };
}
