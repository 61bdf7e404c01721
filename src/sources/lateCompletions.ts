import type { SchedulerLike, Subscription } from 'rxjs';
import { asyncScheduler } from 'rxjs';
import type { TopicPartition } from '../position.js';
import { bare, nameOf } from '../position.js';

export interface LateCompletionsOptions {
  /** So many records of these partitions were finished too late. */
  readonly report: (completions: number, partitions: readonly TopicPartition[]) => void;
  readonly scheduler?: SchedulerLike;
}

/** After a revoke thousands may come, one by one. */
const REPORT_AFTER_MS = 1_000;

/** Counts records that are finished after their partition was given up. */
export class LateCompletions {
  readonly #options: LateCompletionsOptions;
  readonly #partitions = new Map<string, TopicPartition>();
  #completions = 0;
  #total = 0;
  #stopped = false;
  #timer: Subscription | undefined;

  constructor(options: LateCompletionsOptions) {
    this.#options = options;
  }

  note(partition: TopicPartition): void {
    if (this.#stopped) return;
    this.#completions += 1;
    this.#total += 1;
    this.#partitions.set(nameOf(partition), bare(partition));
    this.#timer ??= (this.#options.scheduler ?? asyncScheduler).schedule(() => {
      this.#report();
    }, REPORT_AFTER_MS);
  }

  /** How many there have been. */
  get total(): number {
    return this.#total;
  }

  /** Tells what is left to tell. What comes later is nobody's. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#report();
  }

  #report(): void {
    const completions = this.#completions;
    const partitions = [...this.#partitions.values()];
    this.#timer?.unsubscribe();
    this.#timer = undefined;
    this.#completions = 0;
    this.#partitions.clear();
    this.#options.report(completions, partitions);
  }
}
