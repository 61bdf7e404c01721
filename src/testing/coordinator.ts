import type { SchedulerLike } from 'rxjs';
import type { FakeMember } from './member.js';

const MAX_POLL_EXCEEDED = { code: -147, message: 'Local: Maximum application poll interval (max.poll.interval.ms) exceeded' };

/** A group as its only member sees it: it asks one question at a time, and takes before it gives. */
export class Coordinator {
  readonly #clock: SchedulerLike;
  /** What this member is to have. */
  readonly #wanted = new Set<number>();
  #member: FakeMember | undefined;
  /** Whether the member has been put out of the group: `'unheard'` until it knows. */
  #out: 'no' | 'unheard' | 'yes' = 'no';

  constructor(clock: SchedulerLike) {
    this.#clock = clock;
  }

  get member(): FakeMember | undefined {
    return this.#member;
  }

  join(member: FakeMember): void {
    this.#member = member;
    this.#out = 'no';
    this.checkSoon();
  }

  /** The member has died. */
  forget(): void {
    this.#member = undefined;
  }

  give(partition: number): void {
    this.#wanted.add(partition);
    this.checkSoon();
  }

  take(partition: number): void {
    this.#wanted.delete(partition);
    this.checkSoon();
  }

  /** Takes the partition away without a word; whoever loses one so is out of the group, and loses all. */
  lose(partition: number): void {
    this.#wanted.delete(partition);
    const member = this.#member;
    if (member === undefined || this.#out === 'unheard') return;
    this.#out = 'unheard';
    member.failNext(MAX_POLL_EXCEEDED, () => {
      this.#out = 'yes';
      this.checkSoon();
    });
  }

  /** What happens in one moment is one question, and no answer is followed by the next question within the same call. */
  checkSoon(): void {
    this.#clock.schedule(() => {
      this.#check();
    });
  }

  #check(): void {
    const member = this.#member;
    if (member === undefined || member.asked || member.closed || this.#out === 'unheard') return;
    const taken = [...member.owned].filter((partition) => this.#out === 'yes' || !this.#wanted.has(partition));
    const given = [...this.#wanted].filter((partition) => !member.owned.has(partition)).sort((a, b) => a - b);
    this.#out = 'no';
    if (taken.length > 0) member.take(...taken);
    else if (given.length > 0) member.give(...given);
  }
}
