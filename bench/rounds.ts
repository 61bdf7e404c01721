/** Something that is done in rounds. */
export interface InRounds {
  round(number: number): Promise<void>;
}

/** All of them in each round. */
export async function interleave(all: readonly InRounds[], rounds: number): Promise<void> {
  for (let number = 0; number < rounds; number += 1) for (const one of turned(all, number)) await one.round(number);
}

/** In another order in each round: none is always the first on a cold broker. */
export function turned<T>(all: readonly T[], round: number): T[] {
  const turn = round % all.length;
  return [...all.slice(turn), ...all.slice(0, turn)];
}
