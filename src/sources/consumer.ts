import { setImmediate as turn } from 'node:timers/promises';
import type { TopicPartitionOffset } from 'node-rdkafka';
import { NO_ANSWER, brokerError, refused, unknownTopics } from '../brokerErrors.js';
import { BrokerError } from '../errors.js';
import type { Kafka, Properties } from '../kafka.js';
import type { GroupCommits, OffsetStore } from '../offsets/store.js';
import type { Position, TopicPartition } from '../position.js';
import { bare, nameOf } from '../position.js';
import type { RdkafkaError } from '../rdkafka.js';
import { codeOf } from '../rdkafka.js';
import type { FetcherOptions } from './fetcher.js';
import { Fetcher, QUERY_TIMEOUT_MS } from './fetcher.js';
import type { Membership, RebalanceListener } from './membership.js';
import { toPosix } from './pattern.js';

export interface GroupMemberOptions extends FetcherOptions {
  readonly topics: readonly (string | RegExp)[];
}

const ASSIGN_PARTITIONS = -175;
const REVOKE_PARTITIONS = -174;
/** A transaction that has yet to end holds an offset of the partition. The client asks again for as long as it may, and is then out of time. */
const UNSTABLE_OFFSET_COMMIT = 88;
const UNSTABLE_OFFSETS = /unstable offsets/i;
const REBALANCE_IN_PROGRESS = 27;
/** How long to wait for the group's last question. It comes at once, if it comes. */
const LAST_QUESTION_MS = 1_000;

type Question = 'assign' | 'revoke';

/** A member of a consumer group. */
export function groupMember(kafka: Kafka, options: GroupMemberOptions, listener: RebalanceListener): Membership {
  return new RdkafkaMember(kafka, options, listener);
}

class RdkafkaMember extends Fetcher implements Membership, GroupCommits {
  readonly #options: GroupMemberOptions;
  /** The last protocol that was not NONE: a client that is not in a group says NONE, but still wants the right kind of answer. */
  #protocol: 'EAGER' | 'COOPERATIVE' = 'COOPERATIVE';
  /** What was really assigned. */
  readonly #assigned = new Set<string>();
  /** What the group takes for this member's. */
  readonly #owned = new Set<string>();
  /** What the group has asked and was not answered yet, in its order, which is that of the answers. */
  #questions: Question[] = [];
  /** The answer to what a closing client asks: there is one at most. */
  #lastAnswer: 'not yet' | 'due' | 'given' = 'not yet';
  /** Commits that the group has not answered yet, in their order. */
  readonly #commits: ((error: RdkafkaError | undefined) => void)[] = [];
  /** How often partitions were given back. */
  #givenBack = 0;
  /** Offsets on their way into a transaction: its client looks into this one's memory meanwhile. */
  #adding: Promise<unknown> = Promise.resolve();
  /** Questions about what the group has committed: a client that is gone must not be at one. */
  #asking: Promise<unknown> = Promise.resolve();
  #joining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(kafka: Kafka, options: GroupMemberOptions, listener: RebalanceListener) {
    super(kafka, options, {
      ...strategy({ ...kafka.properties, ...options.properties }),
      rebalance_cb: (error: RdkafkaError, partitions: TopicPartition[]) => {
        this.#rebalance(listener, error, partitions);
      },
      offset_commit_cb: true,
    });
    this.#options = options;
    this.consumer.on('offset.commit', (error: RdkafkaError | null | undefined) => {
      this.#commits.shift()?.(error ?? undefined);
    });
    this.consumer.on('event.log', ({ fac, message }: { fac: string; message: string }) => {
      if (fac === 'FATAL') listener.onFatal(message);
    });
  }

  storeOf(offsets: OffsetStore): OffsetStore {
    return offsets.forMember?.(this, this.kafka) ?? offsets;
  }

  override connect(): Promise<void> {
    this.#joining ??= this.#join();
    return this.#joining;
  }

  async #join(): Promise<void> {
    await super.connect();
    const missing = await this.missing();
    if (missing.length > 0) throw unknownTopics(missing);
    if (this.#closing !== undefined) return;
    try {
      const { 'group.protocol': protocol } = { ...this.kafka.properties, ...this.#options.properties };
      const named = protocol === 'consumer' ? toWholeNames : toSubscription;
      this.consumer.subscribe(this.#options.topics.map(named));
    } catch (error) {
      throw refused(error as Error);
    }
  }

  assign(positions: readonly Position[]): void {
    if (!this.#answers('assign')) return;
    if (this.#protocol === 'COOPERATIVE') this.consumer.incrementalAssign(positions as TopicPartitionOffset[]);
    else this.consumer.assign(positions as TopicPartitionOffset[]);
    for (const position of positions) this.#assigned.add(nameOf(position));
    this.wake(positions);
  }

  unassign(partitions: readonly TopicPartition[]): void {
    if (this.#answers('revoke')) this.#giveBack(partitions);
  }

  /** Whether the question whose turn it is is of this kind; if so, it is answered now. */
  #answers(question: Question): boolean {
    if (this.#questions[0] !== question) return false;
    this.#questions.shift();
    return true;
  }

  #giveBack(partitions: readonly TopicPartition[]): void {
    this.#givenBack += 1;
    const ours = partitions.filter((partition) => this.#assigned.delete(nameOf(partition))).map(bare);
    // A partition that was paused would still be paused when it comes back.
    this.consumer.resume(ours);
    // What was given and not taken cannot be given back.
    if (this.#protocol === 'COOPERATIVE') this.consumer.incrementalUnassign(ours);
    else this.consumer.unassign();
  }

  override get asked(): boolean {
    return this.#questions.length > 0;
  }

  override get incremental(): boolean {
    return this.#protocol === 'COOPERATIVE';
  }

  get committing(): boolean {
    return this.#commits.length > 0;
  }

  commit(positions: readonly Position[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#commits.push((error) => {
        if (error === undefined) resolve();
        else reject(brokerError(`could not commit to group ${this.#options.group}`, error));
      });
      try {
        this.consumer.commit(positions.map(({ topic, partition, offset }) => ({ topic, partition, offset })));
      } catch (error) {
        this.#commits.pop();
        reject(brokerError(`could not commit to group ${this.#options.group}`, error as RdkafkaError));
      }
    });
  }

  owns(partition: TopicPartition): boolean {
    return this.#closing === undefined && this.#assigned.has(nameOf(partition));
  }

  /**
   * The offsets carry the member's id and generation, by which the group knows a member that it has put out. Of one that was, librdkafka forgets
   * the id, or the generation, and joins again only when its partitions are given back; so nothing that is added before is taken for another's.
   */
  async addOffsets(since: number, add: (consumer: object) => Promise<void>): Promise<void> {
    this.#assertHeld(since);
    const adding = add(this.consumer);
    this.#adding = adding.catch(() => undefined);
    await adding;
    this.#assertHeld(since);
  }

  get givenBack(): number {
    return this.#givenBack;
  }

  #assertHeld(since: number): void {
    if (this.#closing === undefined && since === this.#givenBack) return;
    throw new BrokerError(`the member of group ${this.#options.group} has given partitions back meanwhile`, {
      kafkaCode: REBALANCE_IN_PROGRESS,
      retriable: true,
    });
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly Position[]> {
    // A client that closes has no answer any more.
    if (this.#closing !== undefined) throw this.#unknownCommitted({ code: -1, message: 'the member is leaving' });
    const asking = this.#committed(partitions);
    this.#asking = Promise.allSettled([this.#asking, asking]);
    const found: readonly (Error | Partial<Position>)[] = await asking;
    // What failed for a partition alone stands in place of its answer: that is not the same as nothing.
    const failed = found.find((one) => one instanceof Error);
    if (failed !== undefined) {
      const { message } = failed;
      throw this.#unknownCommitted({ code: UNSTABLE_OFFSETS.test(message) ? UNSTABLE_OFFSET_COMMIT : codeOf({ message }), message });
    }
    return (found as readonly Position[]).filter(({ offset = -1 }: Partial<Position>) => offset >= 0);
  }

  #committed(partitions: readonly TopicPartition[]): Promise<readonly (TopicPartition | Error)[]> {
    return new Promise((resolve, reject) => {
      this.consumer.committed(partitions.map(bare), QUERY_TIMEOUT_MS, (error, offsets) => {
        if (error as unknown) reject(this.#unknownCommitted(error));
        else resolve(offsets);
      });
    });
  }

  #unknownCommitted({ code, message }: RdkafkaError): BrokerError {
    return new BrokerError(`could not look up what group ${this.#options.group} has committed: ${message} (code ${code})`, {
      kafkaCode: code,
      retriable: code === UNSTABLE_OFFSET_COMMIT || NO_ANSWER.includes(code),
    });
  }

  override close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // A client that is still connecting cannot be let go before that ends.
    await this.#joining?.catch(() => undefined);
    await this.#adding;
    if (this.connected) await this.#unsubscribe();
    await this.#asking;
    this.#lastAnswer = 'due';
    await super.close();
  }

  protected override disconnected(): void {
    this.#lastAnswer = 'given';
  }

  /**
   * Gives everything back while questions can still be answered. A client that closes asks for it too, but blocks a thread until it is answered:
   * if the process exits meanwhile, nobody answers any more, and the exit waits for that thread for ever.
   */
  async #unsubscribe(): Promise<void> {
    this.#decline();
    // What the last read brought may be a question that is not here yet.
    await turn();
    // A static member that unsubscribes gives up its place; one that only closes has it kept.
    if ('group.instance.id' in { ...this.kafka.properties, ...this.#options.properties }) return;
    try {
      this.consumer.unsubscribe();
    } catch {
      // One that has failed for good is asked nothing more.
      return;
    }
    const end = performance.now() + LAST_QUESTION_MS;
    while (this.#owned.size > 0 && performance.now() < end) {
      await new Promise<void>((resolve) => {
        this.reader.read(1, 10, () => {
          resolve();
        });
      });
      await turn();
    }
  }

  #rebalance(listener: RebalanceListener, error: RdkafkaError, partitions: TopicPartition[]): void {
    if (this.#lastAnswer !== 'not yet') {
      this.#answerLast();
      return;
    }
    const protocol = this.consumer.rebalanceProtocol();
    if (protocol === 'COOPERATIVE' || protocol === 'EAGER') this.#protocol = protocol;
    const question = error.code === ASSIGN_PARTITIONS ? 'assign' : 'revoke';
    for (const partition of partitions) {
      if (question === 'assign') this.#owned.add(nameOf(partition));
      else this.#owned.delete(nameOf(partition));
    }
    if (error.code !== ASSIGN_PARTITIONS && error.code !== REVOKE_PARTITIONS) {
      this.#giveBack(partitions);
      return;
    }
    // The client may ask again before it has an answer: it takes for one what assigns or gives back for other reasons, as a seek does, and an answer
    // that comes late still does what it says.
    this.#questions.push(question);
    if (this.#closing !== undefined) this.#decline();
    else if (question === 'assign') listener.onAssigned(partitions);
    else listener.onRevoked(partitions);
  }

  /** The answer of one that is about to close: the wrong kind of it is no answer, and without one the client would never end. */
  #decline(): void {
    // The client waits for an answer to the last one at most.
    this.#questions = this.#questions.slice(-1);
    if (this.#questions[0] === 'assign') this.assign([]);
    else this.unassign([]);
  }

  /**
   * While it closes a client takes whatever answer as the end of its assignment. It may ask twice, and the first answer ends it: the second one
   * would meet a client that is gone, and wait for it for ever.
   */
  #answerLast(): void {
    if (this.#lastAnswer === 'given') return;
    this.#lastAnswer = 'given';
    this.consumer.unassign();
  }

  async missing(): Promise<readonly string[]> {
    const missing: string[] = [];
    for (const topic of this.#options.topics) {
      if (typeof topic === 'string' && (await this.partitionsOf(topic)).length === 0) missing.push(topic);
    }
    return missing;
  }
}

function strategy(chosen: Properties): Properties {
  // In the new protocol the broker assigns, incrementally too.
  if (chosen['group.protocol'] === 'consumer' || 'partition.assignment.strategy' in chosen) return {};
  return { 'partition.assignment.strategy': 'cooperative-sticky' };
}

function toSubscription(topic: string | RegExp): string {
  return typeof topic === 'string' ? topic : toPosix(topic);
}

/** In the new protocol the broker looks for the topics, and a pattern has to match a name to its end. */
function toWholeNames(topic: string | RegExp): string {
  return typeof topic === 'string' ? topic : `${toPosix(topic)}.*`;
}
