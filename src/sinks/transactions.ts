import { PUT_OUT } from '../brokerErrors.js';
import { BrokerError, ClosedError, FencedError, KafkaRxError } from '../errors.js';
import type { Journal, Position, TransactionMember } from '../position.js';
import { bare } from '../position.js';
import type { Held } from './heldInputs.js';
import { HeldInputs } from './heldInputs.js';
import type { Outgoing } from './outgoing.js';

/** A producer with a transactional id, as far as transactions need it. One step at a time. */
export interface TransactionalClient {
  /** Connects, takes the id over, and ends what its last holder left open. */
  open(): Promise<void>;
  begin(): Promise<void>;
  /** Resolves when all of them are in their logs. */
  produce(records: readonly Outgoing[]): Promise<void>;
  addOffsets(positions: readonly Position[], consumer: object): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
  /** From now on records are not waited for: their transaction will be aborted. */
  hurry(): void;
  /** Lets go of the client, also of one that is not open. Never rejects. */
  close(): Promise<void>;
}

export interface TransactionsOptions<T> {
  readonly client: () => TransactionalClient;
  /** Called with the inputs of a transaction when it is committed. */
  readonly onCommitted: (inputs: readonly T[]) => void;
  /** A transaction was aborted, and will be tried again. */
  readonly onError: (error: KafkaRxError) => void;
}

/**
 * One transaction after the other, each with a group's offsets and exactly the records that were made of what is below them.
 *
 * What fails before the commit is aborted. After a commit whose end is not known a new client takes the id over, which ends the transaction one
 * way or the other, and what the group has committed then says which.
 */
export class Transactions<T> {
  readonly #options: TransactionsOptions<T>;
  readonly #held = new HeldInputs<T>();
  /** For whom it is not known whether the last transaction was committed. */
  readonly #unsure = new Set<TransactionMember>();
  #client: TransactionalClient | undefined;
  #opening: Promise<TransactionalClient> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #failure: unknown;
  #closing: Promise<void> | undefined;

  constructor(options: TransactionsOptions<T>) {
    this.#options = options;
  }

  open(): Promise<TransactionalClient> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** Keeps an input until its offset is committed, or lost. */
  hold(held: Held<T>): void {
    this.#held.add(held);
  }

  /** The input is not to be in any transaction after all. */
  drop(held: Held<T>): void {
    this.#held.remove([held]);
  }

  /** As {@link GroupTransaction} has it, for one of the sources. */
  commit(positions: readonly Position[], member: TransactionMember, journal: Journal): Promise<void> {
    const commit = this.#last.then(() => this.#commit(positions, member, journal));
    this.#last = commit.then(
      () => {
        this.#failure = undefined;
      },
      (error: unknown) => {
        // What the group gave to others is theirs to commit: nobody waits for it here.
        this.#failure = error instanceof BrokerError && PUT_OUT.has(error.kafkaCode) ? undefined : error;
        if (error instanceof KafkaRxError && error.retriable) this.#options.onError(error);
      },
    );
    return commit;
  }

  /** Why the last transaction was not committed, as long as there are inputs that wait for the next one. */
  get failure(): unknown {
    return this.#held.size > 0 ? this.#failure : undefined;
  }

  /** Aborts what is under way, unless its commit is. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #open(): Promise<TransactionalClient> {
    const client = this.#options.client();
    try {
      await client.open();
      this.#client = client;
      return client;
    } catch (error) {
      this.#opening = undefined;
      await client.close();
      throw error;
    }
  }

  async #close(): Promise<void> {
    this.#client?.hurry();
    await this.#last;
    await this.#opening?.catch(() => undefined);
    await this.#client?.close();
  }

  async #commit(positions: readonly Position[], member: TransactionMember, journal: Journal): Promise<void> {
    this.#assertOpen();
    const client = await this.open();
    // Whoever closes has hurried the client that there was.
    this.#assertOpen();
    const open = this.#unsure.has(member) ? await this.#settle(positions, member, journal) : positions;
    if (open.length === 0) return;
    const held = this.#held.below(open, journal);
    try {
      await this.#fill(client, held, open, member);
      await this.#end(client, member);
    } catch (error) {
      throw error instanceof FencedError ? new FencedError(error.message, open.map(bare)) : error;
    }
    this.#pass(held);
  }

  async #fill(
    client: TransactionalClient,
    held: readonly Held<T>[],
    positions: readonly Position[],
    member: TransactionMember,
  ): Promise<void> {
    try {
      await client.begin();
      await client.produce(held.flatMap(({ records }) => records));
      await member.addOffsets((consumer) => client.addOffsets(positions, consumer));
      this.#assertOpen();
    } catch (error) {
      await this.#abort(client);
      throw error;
    }
  }

  /** A client that cannot even abort is of no use any more: the next one with its id does it. */
  async #abort(client: TransactionalClient): Promise<void> {
    try {
      await client.abort();
    } catch (error) {
      await this.#discard(client);
      if (error instanceof FencedError) throw error;
    }
  }

  async #end(client: TransactionalClient, member: TransactionMember): Promise<void> {
    try {
      await client.commit();
    } catch (error) {
      this.#unsure.add(member);
      await this.#discard(client);
      throw error;
    }
  }

  /** Finds out whether the last transaction was committed; answers what was not. */
  async #settle(positions: readonly Position[], member: TransactionMember, journal: Journal): Promise<readonly Position[]> {
    const committed = await member.committed(positions.map(bare));
    this.#unsure.delete(member);
    const isDone = ({ topic, partition, offset }: Position): boolean =>
      committed.some((one) => one.topic === topic && one.partition === partition && one.offset >= offset);
    this.#pass(this.#held.below(positions.filter(isDone), journal));
    return positions.filter((position) => !isDone(position));
  }

  #pass(held: readonly Held<T>[]): void {
    this.#held.remove(held);
    this.#options.onCommitted(held.map(({ input }) => input));
  }

  async #discard(client: TransactionalClient): Promise<void> {
    this.#client = undefined;
    this.#opening = undefined;
    await client.close();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError('toTransaction was left: what was not committed by then comes again.');
  }
}
