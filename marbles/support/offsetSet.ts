/** The numbers of flat stretches `[from, to, from, to, …]`, one by one. */
export function offsetsIn(stretches: readonly number[]): Set<number> {
  const offsets = new Set<number>();
  for (let i = 0; i < stretches.length; i += 2) {
    for (let offset = stretches[i] ?? 0; offset < (stretches[i + 1] ?? 0); offset += 1) offsets.add(offset);
  }
  return offsets;
}

/** A set of whole numbers as flat stretches, ascending and apart. */
export function stretchesOf(offsets: ReadonlySet<number>): number[] {
  const flat: number[] = [];
  for (const offset of [...offsets].sort((a, b) => a - b)) {
    if (flat.at(-1) === offset) flat[flat.length - 1] = offset + 1;
    else flat.push(offset, offset + 1);
  }
  return flat;
}
