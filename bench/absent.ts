/** Who has no figures, and why. */
export interface Absent {
  readonly name: string;
  readonly reason: string;
}

/** The reason of who was left out by `--contenders`. */
export const NOT_ASKED = 'not asked for';

/** A sentence for each reason; who was not asked, and is not among the `measured`, needs none of its own. */
export function sentences(
  absent: readonly Absent[],
  opening: 'Not' | 'Not everywhere',
  measured: ReadonlySet<string> = new Set(),
): string[] {
  const unasked = absent.filter(({ name, reason }) => reason === NOT_ASKED && !measured.has(name));
  const others = absent.filter((one) => !unasked.includes(one)).map(({ name, reason }) => `${opening} ${name}: ${reason}.`);
  return unasked.length === 0 ? others : [...others, `Not measured this time: ${unasked.map(({ name }) => name).join(', ')}.`];
}
