import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BrokerError, ClosedError, FencedError, KafkaRxError } from '../../src/errors.js';
import type { Journal, Lane, Position, TransactionMember } from '../../src/position.js';
import type { Outgoing } from '../../src/sinks/outgoing.js';
import type { TransactionalClient } from '../../src/sinks/transactions.js';
import { Transactions } from '../../src/sinks/transactions.js';

type Step = 'open' | 'begin' | 'produce' | 'addOffsets' | 'commit' | 'abort' | 'committed';
const STEPS: readonly Step[] = ['open', 'begin', 'produce', 'addOffsets', 'commit', 'abort', 'committed'];

/** What goes wrong at a step: before it has had its effect, or after. */
interface Fault {
  readonly when: 'before' | 'after';
  readonly error: Error;
}

const passing = (): BrokerError => new BrokerError('no answer', { kafkaCode: -185, retriable: true });
const lasting = (): BrokerError => new BrokerError('not authorized', { kafkaCode: 29 });

/** The brokers: what is in the log for readers of committed records, the group's offset, and what an open transaction holds. */
class Brokers {
  readonly log: string[] = [];
  readonly offsets = new Map<number, number>();
  readonly steps: Step[] = [];
  clients = 0;
  #open: { records: string[]; positions: readonly Position[] } | undefined;
  /** Who has the transactional id. */
  #holder: object | undefined;
  readonly #fault: (step: Step, nth: number) => Fault | undefined;

  constructor(fault: (step: Step, nth: number) => Fault | undefined = () => undefined) {
    this.#fault = fault;
  }

  readonly client = (): TransactionalClient => {
    const self = {};
    this.clients += 1;
    const held = (): void => {
      if (this.#holder !== self) throw new FencedError('another one has the id', []);
    };
    return {
      open: () =>
        this.#step('open', () => {
          this.#holder = self;
          this.#open = undefined;
        }),
      begin: () =>
        this.#step('begin', () => {
          held();
          if (this.#open !== undefined) throw new Error('a transaction is open already');
          this.#open = { records: [], positions: [] };
        }),
      produce: (records) =>
        this.#step('produce', () => {
          held();
          this.#open?.records.push(...records.map(({ value }) => String(value)));
        }),
      addOffsets: (positions) =>
        this.#step('addOffsets', () => {
          held();
          if (this.#open !== undefined) this.#open.positions = positions;
        }),
      commit: () =>
        this.#step('commit', () => {
          held();
          this.log.push(...(this.#open?.records ?? []));
          for (const { partition, offset } of this.#open?.positions ?? []) this.offsets.set(partition, offset);
          this.#open = undefined;
        }),
      abort: () =>
        this.#step('abort', () => {
          held();
          this.#open = undefined;
        }),
      hurry: () => undefined,
      close: () => Promise.resolve(),
    };
  };

  readonly member: TransactionMember = {
    addOffsets: (add) => add({}),
    committed: (partitions) =>
      this.#step('committed', () => undefined).then(() =>
        partitions.flatMap((at) => {
          const offset = this.offsets.get(at.partition);
          return offset === undefined ? [] : [{ ...at, offset }];
        }),
      ),
  };

  async #step(step: Step, effect: () => void): Promise<void> {
    const fault = this.#fault(step, this.steps.filter((one) => one === step).length);
    this.steps.push(step);
    await Promise.resolve();
    if (fault?.when === 'before') throw fault.error;
    effect();
    if (fault !== undefined) throw fault.error;
  }
}

/** Of two sources: the one that most tests are about, and another. */
const [journal, other] = [{}, {}] as [Journal, Journal];
const lane = (partition: number, live = true, of = journal): Lane => ({ topic: 'orders', partition, live, journal: of }) as Lane;
const at = (partition: number, offset: number): Position => ({ topic: 'orders', partition, offset });

interface Run {
  readonly transactions: Transactions<string>;
  readonly passed: string[][];
  readonly errors: KafkaRxError[];
  hold(partition: number, offset: number, on?: Lane): void;
}

function started(brokers: Brokers): Run {
  const passed: string[][] = [];
  const errors: KafkaRxError[] = [];
  const transactions = new Transactions<string>({
    client: brokers.client,
    onCommitted: (inputs) => passed.push([...inputs]),
    onError: (error) => errors.push(error),
  });
  return {
    transactions,
    passed,
    errors,
    hold: (partition, offset, on = lane(partition)) => {
      const input = `${partition}:${offset}`;
      transactions.hold({ input, lane: on, offset, records: [{ value: Buffer.from(input) } as Outgoing] });
    },
  };
}

/** As a store does it: again after what passes, so often. */
async function insist({ transactions }: Run, positions: readonly Position[], member: TransactionMember, tries = 10): Promise<void> {
  for (let left = tries; ; left -= 1) {
    try {
      await transactions.commit(positions, member, journal);
      return;
    } catch (error) {
      if (!(error instanceof KafkaRxError && error.retriable) || left === 1) throw error;
    }
  }
}

describe('Transactions', () => {
  it('keeps apart two sources that read the same partitions, also where it is not known whether one of them was committed', async () => {
    let commits = 0;
    const brokers = new Brokers((step) => (step === 'commit' && (commits += 1) === 1 ? { when: 'after', error: passing() } : undefined));
    const run = started(brokers);
    run.hold(0, 0);
    run.hold(0, 1, lane(0, true, other));
    await expect(run.transactions.commit([at(0, 5)], brokers.member, journal)).rejects.toThrow('no answer');
    run.hold(0, 2, lane(0, true, other));
    await run.transactions.commit([at(0, 5)], brokers.member, journal);
    expect([brokers.log, run.passed]).toEqual([['0:0'], [['0:0']]]);
    await run.transactions.commit([at(0, 3)], brokers.member, other);
    expect([brokers.log, run.passed]).toEqual([
      ['0:0', '0:1', '0:2'],
      [['0:0'], ['0:1', '0:2']],
    ]);
  });

  it('puts into a transaction exactly what is below its offsets, and passes that on when it is committed', async () => {
    const brokers = new Brokers();
    const run = started(brokers);
    run.hold(0, 5);
    run.hold(0, 3);
    run.hold(1, 7);
    run.hold(0, 4);

    await run.transactions.commit([at(0, 5)], brokers.member, journal);
    expect(brokers.log).toEqual(['0:3', '0:4']);
    expect(run.passed).toEqual([['0:3', '0:4']]);

    await run.transactions.commit([at(0, 6), at(1, 8)], brokers.member, journal);
    expect(brokers.log.slice(2)).toEqual(['0:5', '1:7']);
    expect(brokers.offsets).toEqual(
      new Map([
        [0, 6],
        [1, 8],
      ]),
    );
  });

  it('commits offsets also where nothing was made of the records below them', async () => {
    const brokers = new Brokers();
    await started(brokers).transactions.commit([at(0, 9)], brokers.member, journal);
    expect(brokers.offsets).toEqual(new Map([[0, 9]]));
  });

  it('leaves out what was lost before its transaction', async () => {
    const brokers = new Brokers();
    const run = started(brokers);
    run.hold(0, 0, lane(0, false));
    run.hold(1, 0);
    await run.transactions.commit([at(0, 1), at(1, 1)], brokers.member, journal);
    expect(brokers.log).toEqual(['1:0']);
  });

  it('has one transaction at a time', async () => {
    const brokers = new Brokers();
    const run = started(brokers);
    run.hold(0, 0);
    run.hold(0, 1);
    await Promise.all([
      run.transactions.commit([at(0, 1)], brokers.member, journal),
      run.transactions.commit([at(0, 2)], brokers.member, journal),
    ]);
    expect(run.passed).toEqual([['0:0'], ['0:1']]);
  });

  it('goes on with the same client after an abort, and with a new one where that fails', async () => {
    const once = new Brokers((step, nth) => (step === 'produce' && nth === 0 ? { when: 'after', error: passing() } : undefined));
    const twice = new Brokers((step, nth) =>
      (step === 'produce' || step === 'abort') && nth === 0 ? { when: 'before', error: passing() } : undefined,
    );
    for (const brokers of [once, twice]) {
      const run = started(brokers);
      run.hold(0, 0);
      await insist(run, [at(0, 1)], brokers.member);
      expect(brokers.log).toEqual(['0:0']);
      expect(run.errors).toHaveLength(1);
    }
    expect([once.clients, twice.clients]).toEqual([1, 2]);
  });

  it('asks the group where the end of a commit is not known, and does nothing twice', async () => {
    const brokers = new Brokers((step, nth) => (step === 'commit' && nth === 0 ? { when: 'after', error: passing() } : undefined));
    const run = started(brokers);
    run.hold(0, 0);
    await insist(run, [at(0, 1)], brokers.member);
    expect(brokers.steps).toEqual(['open', 'begin', 'produce', 'addOffsets', 'commit', 'open', 'committed']);
    expect(brokers.log).toEqual(['0:0']);
    expect(run.passed).toEqual([['0:0']]);
  });

  it('knows why inputs still wait, until they are committed', async () => {
    const brokers = new Brokers((step, nth) => (step === 'produce' && nth === 0 ? { when: 'before', error: passing() } : undefined));
    const run = started(brokers);
    expect(run.transactions.failure).toBeUndefined();
    run.hold(0, 0);
    await expect(run.transactions.commit([at(0, 1)], brokers.member, journal)).rejects.toThrow('no answer');
    await Promise.resolve();
    expect(run.transactions.failure).toMatchObject({ message: 'no answer' });
    await run.transactions.commit([at(0, 1)], brokers.member, journal);
    await Promise.resolve();
    expect(run.transactions.failure).toBeUndefined();
  });

  it('does not commit what the member may not commit any more', async () => {
    const brokers = new Brokers();
    const run = started(brokers);
    run.hold(0, 0);
    const member: TransactionMember = {
      ...brokers.member,
      addOffsets: async (add) => {
        await add({});
        throw passing();
      },
    };
    await expect(run.transactions.commit([at(0, 1)], member, journal)).rejects.toThrow('no answer');
    expect(brokers.steps.at(-1)).toBe('abort');
    expect(brokers.log).toEqual([]);
  });

  it('aborts what is under way when it is left, and takes nothing after that', async () => {
    const brokers = new Brokers();
    const run = started(brokers);
    run.hold(0, 0);
    const commit = run.transactions.commit([at(0, 1)], brokers.member, journal);
    const rejects = expect(commit).rejects.toThrow(ClosedError);
    await run.transactions.open();
    await run.transactions.close();
    await rejects;
    await expect(run.transactions.commit([at(0, 1)], brokers.member, journal)).rejects.toThrow(ClosedError);
    expect(brokers.log).toEqual([]);
    expect(brokers.steps.at(-1)).not.toBe('commit');
  });

  it('ends with a FencedError that says whose offsets they were, when another one has its id', async () => {
    const brokers = new Brokers();
    const [run, other] = [started(brokers), started(brokers)];
    run.hold(0, 0);
    await run.transactions.open();
    await other.transactions.open();
    const error: unknown = await run.transactions.commit([at(0, 1)], brokers.member, journal).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FencedError);
    expect(error).toMatchObject({ code: 'FENCED', partitions: [{ topic: 'orders', partition: 0 }] });
    expect(brokers.log).toEqual([]);
  });

  it('writes everything once, in step with the offsets, wherever steps fail before or after they had their effect', async () => {
    const faults = fc.dictionary(
      fc.tuple(fc.constantFrom(...STEPS), fc.integer({ min: 0, max: 6 })).map((key) => key.join()),
      fc.record({ when: fc.constantFrom('before' as const, 'after' as const), lasts: fc.boolean() }),
      { maxKeys: 12 },
    );
    await fc.assert(
      fc.asyncProperty(faults, async (planned) => {
        const brokers = new Brokers((step, nth) => {
          const fault = planned[`${step},${nth}`];
          return fault === undefined ? undefined : { when: fault.when, error: fault.lasts ? lasting() : passing() };
        });
        let run = started(brokers);
        const wanted: string[] = [];
        for (let offset = 0; offset < 4; offset += 1) {
          wanted.push(`0:${offset}`);
          run.hold(0, offset);
          for (let ended = true; ended;) {
            ended = false;
            try {
              await insist(run, [at(0, offset + 1)], brokers.member, 50);
            } catch {
              // The stream has ended. The next one begins where the group stands, once it has taken the id over.
              ended = true;
              await run.transactions.close();
              run = started(brokers);
              await reopened(run);
              const from = brokers.offsets.get(0) ?? 0;
              if (from > offset) break;
              for (let again = from; again <= offset; again += 1) run.hold(0, again);
            }
            expect(brokers.log).toEqual(wanted.slice(0, brokers.offsets.get(0) ?? 0));
          }
          expect(brokers.offsets.get(0)).toBe(offset + 1);
        }
        expect(brokers.log).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });
});

async function reopened({ transactions }: Run): Promise<void> {
  for (;;) {
    try {
      await transactions.open();
      return;
    } catch {
      // It is tried again, as a supervisor would.
    }
  }
}
