import type { Cluster } from '../cluster.js';
import { ClosedError } from '../errors.js';
import { timerMs } from '../options.js';
import type { AdminCallOptions } from './admin.js';
import type { Subject } from './adminErrors.js';
import { IdleConsumer } from './idleConsumer.js';
import { TimeLimit } from './timeLimit.js';
import { TopicClient } from './topicClient.js';

const DEFAULT_TIMEOUT_MS = 30_000;
/** The client for questions is of no group, but cannot be made without the name of one. */
const NO_GROUP = 'kafka-rx-admin';

/** What one call goes by. */
export interface Call {
  readonly subject: Subject;
  readonly limit: TimeLimit;
  readonly questions: IdleConsumer;
}

/** The calls that are under way, and the clients that they share: each is made when it is first needed. */
export class Calls {
  readonly #cluster: Cluster;
  readonly #running = new Set<Promise<unknown>>();
  #questions: Promise<IdleConsumer> | undefined;
  #topics: TopicClient | undefined;
  #closing: Promise<void> | undefined;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Runs a call within its time. */
  run<T>(subject: Subject, { timeoutMs = DEFAULT_TIMEOUT_MS }: AdminCallOptions, work: (call: Call) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError(`could not ${subject.what}: this Kafka was closed.`));
    const limit = new TimeLimit(subject.what, timerMs(timeoutMs));
    const running = limit.race(this.#connect()).then((questions) => work({ subject, limit, questions }));
    const ended = running
      .catch(() => undefined)
      .then(() => {
        this.#running.delete(ended);
      });
    this.#running.add(ended);
    // What it has begun goes on, also its turn among others and letting go of a client.
    return limit.race(running);
  }

  get topics(): TopicClient {
    return (this.#topics ??= new TopicClient(this.#cluster));
  }

  /** Lends a client that speaks for a group. */
  async as<T>(group: string, { limit }: Call, work: (member: IdleConsumer) => Promise<T>): Promise<T> {
    const opening = IdleConsumer.open(this.#cluster, group);
    try {
      return await work(await limit.race(opening));
    } finally {
      await opening.then((member) => member.close()).catch(() => undefined);
    }
  }

  /** Waits for what is under way; lets go of everything. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.all(this.#running);
      const questions = await this.#questions?.catch(() => undefined);
      await Promise.all([questions?.close(), this.#topics?.close()]);
    })();
    return this.#closing;
  }

  #connect(): Promise<IdleConsumer> {
    this.#questions ??= IdleConsumer.open(this.#cluster, NO_GROUP).catch((error: unknown) => {
      // The next call tries again.
      this.#questions = undefined;
      throw error;
    });
    return this.#questions;
  }
}
