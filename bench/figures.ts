export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** Of figures in ascending order; the nearest one that was really measured. */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** 1234567 as "1,235 k" would hide the digits that matter for slow clients, so all are shown, in threes. */
export function whole(figure: number): string {
  return Math.round(figure).toLocaleString('en');
}
