import type { Checkpoint } from '../index.js';

/** The checkpoint with the record at `offset` finished as well, or `undefined` if it is already. */
export function withFinished<C extends Pick<Checkpoint, 'frontier' | 'runs' | 'retries'>>(checkpoint: C, offset: number): C | undefined {
  const { frontier, runs } = checkpoint;
  if (offset < frontier) return undefined;
  const pairs: [number, number][] = [];
  for (let i = 0; i < runs.length; i += 2) pairs.push([runs[i] as number, runs[i + 1] as number]);
  if (pairs.some(([from, to]) => offset >= from && offset < to)) return undefined;
  pairs.push([offset, offset + 1]);
  pairs.sort(([a], [b]) => a - b);
  let reached = frontier;
  const beyond: [number, number][] = [];
  for (const [from, to] of pairs) {
    const last = beyond.at(-1);
    if (from === reached && last === undefined) reached = to;
    else if (last?.[1] === from) last[1] = to;
    else beyond.push([from, to]);
  }
  const { retries = [], ...rest } = checkpoint;
  // A record that is finished is not tried again.
  const open = retries.filter((retry) => retry.offset !== offset && retry.offset >= reached);
  return { ...(rest as C), frontier: reached, runs: beyond.flat(), ...(open.length === 0 ? {} : { retries: open }) };
}
