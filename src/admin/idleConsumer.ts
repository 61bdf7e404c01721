import { setImmediate as turn } from 'node:timers/promises';
import type { KafkaConsumer, Metadata, TopicPartitionOffset } from 'node-rdkafka';
import { refused } from '../brokerErrors.js';
import { forwardEvents } from '../clientEvents.js';
import type { Cluster } from '../cluster.js';
import { connect } from '../connect.js';
import type { Position, TopicPartition } from '../position.js';
import { bare } from '../position.js';
import type { RdkafkaError } from '../rdkafka.js';
import { codeOf, rdkafka } from '../rdkafka.js';
import type { Subject } from './adminErrors.js';
import { adminError } from './adminErrors.js';
import type { TimeLimit } from './timeLimit.js';

/** What stands for a time in a question about offsets. */
export const LATEST = -1;
export const EARLIEST = -2;

const CLOSE_TIMEOUT_MS = 10_000;
/** One poll for the answer to a commit. */
const POLL_MS = 20;

/** A consumer that reads nothing and joins no group: it answers questions, and commits in the name of a group that has no members. */
export class IdleConsumer {
  readonly #consumer: KafkaConsumer;
  /** The outcome of commits, in their order. */
  readonly #commits: ((error: RdkafkaError | undefined) => void)[] = [];

  private constructor(cluster: Cluster, group: string) {
    this.#consumer = createConsumer(cluster, group);
    forwardEvents(cluster, this.#consumer, { name: 'admin' });
    this.#consumer.on('offset.commit', (error: RdkafkaError | null | undefined, answers: readonly Answer[]) => {
      this.#commits.shift()?.(error ?? failureIn(answers));
    });
  }

  static async open(cluster: Cluster, group: string): Promise<IdleConsumer> {
    const consumer = new IdleConsumer(cluster, group);
    await connect(cluster, consumer.#consumer);
    return consumer;
  }

  /** Of one topic, which is not created by asking, or of the whole cluster. */
  metadata(topic: string | undefined, subject: Subject, limit: TimeLimit): Promise<Metadata> {
    this.#serveEvents();
    const question = topic === undefined ? { allTopics: true } : { topic, allTopics: false };
    return new Promise((resolve, reject) => {
      this.#consumer.getMetadata({ ...question, timeout: limit.leftMs }, (error, metadata) => {
        if (error as unknown) reject(adminError(subject, error, limit));
        else resolve(metadata);
      });
    });
  }

  /** The first offsets at or after a time, or `EARLIEST` or `LATEST`; below 0 where there is no record of that time or a later one. */
  offsetsAt(partitions: readonly TopicPartition[], time: number, subject: Subject, limit: TimeLimit): Promise<readonly Position[]> {
    const questions = partitions.map(({ topic, partition }) => ({ topic, partition, offset: time }));
    return this.#ask(questions, subject, limit, (done) => {
      this.#consumer.offsetsForTimes(questions, limit.leftMs, done);
    });
  }

  /** What the group has committed; partitions of which it has nothing are left out. */
  committed(partitions: readonly TopicPartition[], subject: Subject, limit: TimeLimit): Promise<readonly Position[]> {
    const questions = partitions.map(bare);
    return this.#ask(questions, subject, limit, (done) => this.#consumer.committed(questions, limit.leftMs, done));
  }

  async commit(positions: readonly Position[], subject: Subject, limit: TimeLimit): Promise<void> {
    let outcome: { readonly error: RdkafkaError | undefined } | undefined;
    this.#commits.push((error) => {
      outcome = { error };
    });
    this.#consumer.commit(positions.map(({ topic, partition, offset }) => ({ topic, partition, offset })));
    // The answer comes with a poll.
    while (outcome === undefined) await this.#poll(Math.min(POLL_MS, limit.leftMs));
    if (outcome.error !== undefined) throw adminError(subject, outcome.error, limit);
  }

  /** Waits for its answers; one that takes too long is left behind. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const guard = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      this.#consumer.disconnect(() => {
        clearTimeout(guard);
        resolve();
      });
    });
  }

  /** Asks about partitions, of which no answer has no offset. */
  #ask(
    partitions: readonly TopicPartition[],
    subject: Subject,
    limit: TimeLimit,
    question: (done: (error: RdkafkaError, answers: readonly Answer[]) => void) => void,
  ): Promise<readonly Position[]> {
    if (partitions.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      question((error, answers) => {
        const failed = (error as RdkafkaError | null) ?? failureIn(answers);
        if (failed !== undefined) reject(adminError(subject, failed, limit));
        else resolve((answers as readonly Partial<Position>[]).filter((one): one is Position => one.offset !== undefined));
      });
    });
  }

  /** Errors and statistics are only told to one that polls. */
  #serveEvents(): void {
    void this.#poll(0);
  }

  async #poll(waitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      (this.#consumer.getClient() as NativeConsumer).consume(waitMs, 1, () => {
        resolve();
      });
    });
    await turn();
  }
}

/** Of one partition. What failed for it alone stands in place of its offset. */
type Answer = Partial<TopicPartitionOffset> | Error;

function failureIn(answers: readonly Answer[]): RdkafkaError | undefined {
  const failed = answers.find((answer) => answer instanceof Error);
  return failed === undefined ? undefined : { code: codeOf(failed), message: failed.message };
}

interface NativeConsumer {
  consume(waitMs: number, max: number, done: () => void): void;
}

function createConsumer(cluster: Cluster, group: string): KafkaConsumer {
  const settings = {
    ...cluster.properties,
    'group.id': group,
    // The ends that are told are those of the log, not those that readers see of open transactions.
    'isolation.level': 'read_uncommitted',
    // Whoever asks about a topic does not want it made.
    'allow.auto.create.topics': false,
    'enable.auto.commit': false,
    'offset_commit_cb': true,
  };
  const { KafkaConsumer: Consumer } = rdkafka();
  try {
    return new Consumer(settings as never, cluster.topicProperties);
  } catch (cause) {
    throw refused(cause as Error);
  }
}
