/** A member's process, as its name begins. */
export function pidOf(member: string): string {
  return member.slice(0, member.indexOf('.'));
}

/**
 * Who holds which partition, by the members' own word.
 *
 * A member says that it was given a partition after it was, and that it gives it up before it does. So at no moment may two hold it, unless one
 * of them is a zombie: stopped for so long that the group has given its partitions away, and going on before it has heard of that.
 */
export class Owners {
  readonly #held = new Map<number, Set<string>>();
  /** Members that were stopped while they held something; each until it has heard that it holds nothing any more. */
  readonly #zombies = new Map<string, 'stopped' | 'going on'>();
  readonly #gone = new Set<string>();

  /** Answers who else holds the partition and may not. */
  given(member: string, partition: number): readonly string[] {
    const held = this.#held.get(partition) ?? new Set();
    this.#held.set(partition, held.add(member));
    if (this.#excused(member)) return [];
    return [...held].filter((other) => other !== member && !this.#excused(other));
  }

  taken(member: string, partition: number): void {
    this.#held.get(partition)?.delete(member);
    if (this.#zombies.get(member) === 'going on' && !this.#holding().has(member)) this.#zombies.delete(member);
  }

  holds(member: string, partition: number): boolean {
    return this.#held.get(partition)?.has(member) === true;
  }

  /**
   * The members that can work on the partition now. One that goes on after it was stopped counts where nobody else does: if the group has not
   * given it up, it never hears that it has lost anything.
   */
  working(partition: number): readonly string[] {
    const held = [...(this.#held.get(partition) ?? [])];
    const living = held.filter((member) => !this.#excused(member));
    return living.length > 0 ? living : held.filter((member) => this.#zombies.get(member) === 'going on' && !this.#gone.has(pidOf(member)));
  }

  isZombie(member: string): boolean {
    return this.#zombies.has(member);
  }

  stopped(pid: string): void {
    for (const member of this.#holding()) if (pidOf(member) === pid) this.#zombies.set(member, 'stopped');
  }

  goesOn(pid: string): void {
    for (const member of this.#zombies.keys()) if (pidOf(member) === pid) this.#zombies.set(member, 'going on');
  }

  ended(pid: string): void {
    this.#gone.add(pid);
  }

  #excused(member: string): boolean {
    return this.#gone.has(pidOf(member)) || this.#zombies.has(member);
  }

  #holding(): Set<string> {
    return new Set([...this.#held.values()].flatMap((held) => [...held]));
  }
}
