import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createTopic } from '../../broker/index.js';
import { AppendOnly, LINE_BYTES } from '../kill/appendOnly.js';
import { compiledProgram } from '../kill/compiledProgram.js';
import { EffectsSoFar } from '../kill/effectsSoFar.js';
import { FOLDS, MANNERS } from '../kill/pipelines.js';
import type { PipelineOptions } from '../kill/programs/pipeline.js';
import type { ProducerOptions, Send } from '../kill/programs/producer.js';
import type { DumpOrder } from '../kill/programs/storeDump.js';
import { fileIn } from '../kill/runFolder.js';
import { seeded } from '../kill/seeded.js';
import type { How } from '../kill/verify.js';
import { until } from '../support/until.js';

export interface SlotLoopOptions {
  readonly brokers: readonly string[];
  readonly kills: number;
  /** How many processes share the partitions. */
  readonly workers: number;
  readonly partitions: number;
  /** Decides every choice that the supervisor makes. What becomes of it, the processes and the broker decide too. */
  readonly seed: number;
  /** An empty folder: the producer's journal is left there, and what each worker did in one of its own, see {@link slotFolder}. */
  readonly folder: string;
  /** A mistake that the judge has to find. */
  readonly planted?: 'two read the same';
}

const MAX_IN_FLIGHT = 1_000;
const CONCURRENCY = 64;
/** New records of each partition before each kill. */
const RECORDS_PER_PARTITION = 100;
/** Workers that do nothing for so long will never do what is left; the judge then says what that is. */
const GIVE_UP_MS = 30_000;

export function slotFolder(folder: string, slot: number): string {
  return join(folder, `slot-${slot}`);
}

/**
 * Lets a process for each slot work on its share of a topic into which a producer writes, kills one of them at random moments and starts it
 * again, and writes down what its store holds each time. After the last kill they live until there is no more to be done.
 */
export async function slotLoop({ brokers, kills, workers, partitions, seed, folder, planted }: SlotLoopOptions): Promise<void> {
  const random = seeded(seed);
  const topic = `slots-${randomUUID()}`;
  const { journal } = fileIn(folder);
  mkdirSync(folder, { recursive: true });
  await createTopic(brokers, topic, { partitions });

  const children: ChildProcess[] = [];
  const start = (name: string, options?: object): ChildProcess => {
    const child = fork(compiledProgram(name), options === undefined ? [] : [JSON.stringify(options)]);
    children.push(child);
    return child;
  };
  const producer = start('producer', { brokers, topic, partitions, journal } satisfies ProducerOptions);
  const dumper = start('storeDump');
  let [sent, answered] = [0, 0];
  producer.on('message', (records: number) => (answered = records));
  const send = (): void => {
    producer.send({ records: RECORDS_PER_PARTITION * partitions } satisfies Send);
    sent += RECORDS_PER_PARTITION * partitions;
  };

  /** One slot: the process that has it now, and those that have had it. */
  class Slot {
    readonly #slot: number;
    readonly #store: string;
    readonly #journal: AppendOnly;
    readonly effects: AppendOnly;
    readonly done: EffectsSoFar;
    #life = -1;
    #process!: ChildProcess;

    constructor(slot: number) {
      const own = slotFolder(folder, slot);
      mkdirSync(own);
      const file = fileIn(own);
      this.#slot = slot;
      this.#store = join(own, 'store');
      this.#journal = new AppendOnly(file.journal);
      this.#journal.line('R', MAX_IN_FLIGHT);
      this.effects = new AppendOnly(file.effects);
      this.done = new EffectsSoFar(file.effects);
      this.start();
    }

    get gone(): boolean {
      return this.#process.exitCode !== null || this.#process.signalCode !== null;
    }

    start(): void {
      this.#life += 1;
      // With one slot less than there are, this one reads what belongs to others.
      const of = planted !== undefined && this.#slot === 0 ? workers - 1 : workers;
      this.#process = start('pipeline', {
        brokers,
        topic,
        group: 'slots',
        store: this.#store,
        effects: fileIn(slotFolder(folder, this.#slot)).effects,
        maxInFlight: MAX_IN_FLIGHT,
        concurrency: CONCURRENCY,
        properties: {},
        manner: MANNERS[Math.floor(random() * MANNERS.length)] as PipelineOptions['manner'],
        planted: undefined,
        seed: seed + 1_000 * this.#slot + this.#life,
        worker: { slot: this.#slot, of },
      } satisfies PipelineOptions);
    }

    /** Ends it, and writes down how that was and what its store holds. */
    async end(how: Extract<How, 'killed' | 'killed at start' | 'done'>): Promise<void> {
      const ended = once(this.#process, 'exit') as Promise<[number | null, string | null]>;
      const before = this.gone ? `${this.#process.exitCode ?? String(this.#process.signalCode)}` : undefined;
      if (before !== undefined) throw new Error(`the worker of slot ${this.#slot} ended by itself with ${before}`);
      this.#process.kill(how === 'done' ? 'SIGTERM' : 'SIGKILL');
      const [code, signal] = await ended;
      if (how === 'done' ? code !== 0 : signal !== 'SIGKILL')
        throw new Error(`the worker of slot ${this.#slot} (${how}) ended with ${signal ?? `code ${code}`}`);
      this.#journal.line('K', Date.now(), this.#life, how.replaceAll(' ', '_'), this.effects.size);
      const file = fileIn(slotFolder(folder, this.#slot)).dump(this.#life);
      dumper.send({ store: this.#store, group: 'slots', table: FOLDS, file } satisfies DumpOrder);
      const [said] = (await once(dumper, 'message')) as [string];
      if (said !== 'written') throw new Error(`after life ${this.#life} of slot ${this.#slot} ${said}`);
    }
  }

  try {
    const slots = Array.from({ length: workers }, (_, slot) => new Slot(slot));
    for (let killed = 0; killed < kills; killed += 1) {
      // Every slot has its turn, and some have more.
      const slot = slots[killed < workers ? killed : Math.floor(random() * workers)] as Slot;
      const isAtStart = killed % 5 === 4;
      const bytes = slot.effects.size + random() * Math.floor(partitions / workers) * RECORDS_PER_PARTITION * 2 * LINE_BYTES;
      send();
      if (isAtStart) await delay(random() * 700);
      else await until(() => slot.gone || slot.effects.size >= bytes);
      await slot.end(isAtStart ? 'killed at start' : 'killed');
      slot.start();
    }
    send();
    await until(() => answered === sent);
    const worked = (): number => slots.reduce((sum, { done }) => sum + done.worked(), 0);
    await until(() => worked() >= sent || slots.every(({ gone, done }) => gone || done.silentMs > GIVE_UP_MS));
    for (const slot of slots) await slot.end('done');
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}
