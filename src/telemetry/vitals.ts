import { BrokerError } from '../errors.js';
import type { KafkaEvent } from '../events.js';
import type { SourceStats } from '../sources/sourceStats.js';

const ALL_BROKERS_DOWN = -187;

/** Whether an event says that a source finds no broker. A client that writes seldom lets go of its connections by itself, and says the same. */
export function findsNoBroker(event: KafkaEvent): boolean {
  return (
    event.type === 'error' &&
    event.client.startsWith('consumer of ') &&
    event.error instanceof BrokerError &&
    event.error.kafkaCode === ALL_BROKERS_DOWN
  );
}

/** What is known of the sources and the brokers. */
export class Vitals {
  /** The last word of each subscription that has not ended. */
  readonly #open = new Map<number, SourceStats>();
  /** Sources that have failed, and the newest subscription by then: a newer one of the same name is another try. */
  readonly #failed = new Map<string, number>();
  #newest = -1;
  #started = false;
  /** The ends of the logs, when they were first looked at after no broker was found: one that grows since was told by a broker. */
  #endsWhenAway: number | undefined;
  #away = false;

  get started(): boolean {
    return this.#started;
  }

  get ready(): boolean {
    return (
      this.live &&
      !this.#away &&
      this.#open.size > 0 &&
      [...this.#open.values()].every(({ state }) => state === 'running' || state === 'paused')
    );
  }

  get live(): boolean {
    return this.#failed.size === 0;
  }

  note(stats: SourceStats): void {
    const { name, id, state } = stats;
    this.#newest = Math.max(this.#newest, id);
    if (state === 'stopping') {
      this.#open.delete(id);
    } else {
      if (id > (this.#failed.get(name) ?? Infinity)) this.#failed.delete(name);
      this.#open.set(id, stats);
    }
    this.#started ||= this.#open.size > 0 && [...this.#open.values()].every((source) => source.state !== 'starting');
    if (!this.#away) return;
    const ends = this.#sumOfEnds();
    this.#endsWhenAway ??= ends;
    if (ends > this.#endsWhenAway) this.brokersAnswer();
  }

  hear(event: KafkaEvent): void {
    if (findsNoBroker(event)) this.#away = true;
    else if (event.type === 'assigned') this.brokersAnswer();
    else if (event.type === 'failed') this.#failed.set(event.name, this.#newest);
  }

  #sumOfEnds(): number {
    return [...this.#open.values()].flatMap(({ partitions }) => partitions).reduce((sum, { end }) => sum + Math.max(0, end), 0);
  }

  brokersAnswer(): void {
    this.#away = false;
    this.#endsWhenAway = undefined;
  }
}
