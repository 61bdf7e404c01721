import type { SchedulerLike } from 'rxjs';
import { Subscription, filter, take } from 'rxjs';
import { timerMs } from './options.js';
import type { Journal, Keeper, Lane } from './position.js';
import { LANE } from './position.js';
import type { Keyed, Turn } from './turns.js';

/** What is tried again, how often, and when. */
export interface RetryPolicy {
  /** Under which it is remembered. */
  readonly name: string;
  /** How many there are in all. */
  readonly attempts: number;
  readonly retryIf: (error: unknown) => boolean;
  /** How long to wait after an attempt. */
  readonly delayAfter: (attempt: number, error: unknown) => number;
  /** No record waits longer, whatever time it is. */
  readonly maxDelayMs: number;
  readonly scheduler: SchedulerLike;
}

export interface RetriesOptions<R extends Keyed> {
  /** The record's work does not go on now. */
  readonly pause: (turn: Turn<R>) => void;
  /** The record's work may start again. */
  readonly resume: (turn: Turn<R>) => void;
}

/**
 * Records that have failed and wait for their next attempt.
 *
 * How often a record has failed, and how long it is to wait, is remembered with the checkpoint of its partition before the next attempt begins. So
 * nobody has to wait here while a partition is given up: the record is released, and whoever has it next goes on.
 */
export class Retries<R extends Keyed> {
  readonly #policy: RetryPolicy;
  readonly #options: RetriesOptions<R>;
  readonly #waiting = new Map<Turn<R>, Subscription>();
  readonly #keepers = new Map<Journal, Waiters>();
  /** Partitions that are being given up, and of which a record was released: those behind it must not overtake it. */
  readonly #givenUp = new Set<Lane>();
  /** To be unsubscribed from at the end. */
  readonly attachments = new Subscription();

  constructor(policy: RetryPolicy, options: RetriesOptions<R>) {
    this.#policy = policy;
    this.#options = options;
    this.attachments.add(() => {
      for (const wait of this.#waiting.values()) wait.unsubscribe();
      this.#waiting.clear();
    });
  }

  /** Whether a record whose turn it is starts now. It may have to wait before, or to be released, for it goes on elsewhere. */
  begin(turn: Turn<R>): 'now' | 'later' | 'elsewhere' {
    const { offset, [LANE]: lane } = turn.record;
    if (this.#givenUp.size > 0 && this.#givenUp.has(lane.whole)) return 'elsewhere';
    if (turn.attempt > 0) return 'now';
    const { name, maxDelayMs, scheduler } = this.#policy;
    const before = lane.retryOf(offset, name);
    if (before === undefined) return 'now';
    turn.attempt = before.failed;
    const rest = Math.min(before.due - scheduler.now(), maxDelayMs);
    if (rest <= 0) return 'now';
    this.#wait(turn, rest, 0);
    return 'later';
  }

  /** Whether a record that has failed is tried again. It waits then. */
  takes(turn: Turn<R>, error: unknown): boolean {
    const { name, attempts, retryIf, delayAfter, scheduler } = this.#policy;
    const { attempt, record } = turn;
    if (attempt >= attempts || !retryIf(error)) return false;
    const delay = delayAfter(attempt, error);
    const lane = record[LANE];
    lane.noteRetry({ offset: record.offset, name, failed: attempt, due: Math.ceil(scheduler.now() + timerMs(delay)) });
    this.#wait(turn, delay, lane.whole.ticket);
    return true;
  }

  /** @param ticket The journal's, when it remembers that the record has failed. */
  #wait(turn: Turn<R>, ms: number, ticket: number): void {
    const { [LANE]: lane } = turn.record;
    const waiters = this.#waitersOf(lane.journal);
    waiters.records += 1;
    const wait = new Subscription();
    this.#waiting.set(turn, wait);
    this.#options.pause(turn);
    wait.add(
      this.#policy.scheduler.schedule(() => {
        this.#awaitDisk(turn, ticket);
      }, timerMs(ms)),
    );
    if (!lane.emitting) this.#letGo(turn);
    lane.journal.kept(lane);
  }

  /** No attempt begins before it is remembered that the last one was made. */
  #awaitDisk(turn: Turn<R>, ticket: number): void {
    const { journal } = turn.record[LANE];
    const wait = new Subscription();
    this.#waiting.set(turn, wait);
    wait.add(
      journal.durable$
        .pipe(
          filter((durable) => durable >= ticket),
          take(1),
        )
        .subscribe({
          next: () => {
            this.#resume(turn);
          },
          // The source says so.
          error: () => undefined,
        }),
    );
    if (!wait.closed) wait.add(journal.flush().subscribe());
  }

  #resume(turn: Turn<R>): void {
    const wait = this.#waiting.get(turn);
    if (wait === undefined) return;
    this.#waiting.delete(turn);
    wait.unsubscribe();
    this.#waitersOf(turn.record[LANE].journal).records -= 1;
    this.#options.resume(turn);
  }

  /** Its partition is being given up, or is lost: the record comes again, here or elsewhere. */
  #letGo(turn: Turn<R>): void {
    for (const lane of this.#givenUp) if (!lane.live) this.#givenUp.delete(lane);
    const { whole } = turn.record[LANE];
    if (whole.live) this.#givenUp.add(whole);
    this.#resume(turn);
  }

  #waitersOf(journal: Journal): Waiters {
    let waiters = this.#keepers.get(journal);
    if (waiters === undefined) {
      waiters = new Waiters(() => {
        for (const turn of [...this.#waiting.keys()]) {
          const lane = turn.record[LANE];
          if (lane.journal === journal && !lane.emitting) this.#letGo(turn);
        }
      });
      this.#keepers.set(journal, waiters);
      this.attachments.add(journal.addKeeper(waiters));
    }
    return waiters;
  }
}

/** What waits of one source. */
class Waiters implements Keeper {
  records = 0;
  readonly letGo: () => void;

  constructor(letGo: () => void) {
    this.letGo = letGo;
  }

  get shut(): boolean {
    return this.records > 0;
  }
}
