import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { createTopic } from '../../broker/index.js';
import type { Properties } from '../../src/index.js';
import { AppendOnly } from '../kill/appendOnly.js';
import { FOLDS } from '../kill/pipelines.js';
import type { ProducerOptions, Send } from '../kill/programs/producer.js';
import type { DumpOrder } from '../kill/programs/storeDump.js';
import { seeded } from '../kill/seeded.js';
import { Program } from './program.js';
import type { MemberOptions, MemberOrder } from './programs/member.js';
import type { ObserverOptions } from './programs/observer.js';
import { Standing } from './standing.js';
import { stormFile } from './stormLog.js';

export interface StormOptions {
  readonly brokers: readonly string[];
  readonly folder: string;
  readonly seed: number;
  /** How many processes there can be at a time, each with a store of its own. */
  readonly processes: number;
  /** With how many subscriptions each begins. More come and go if there is more than one. */
  readonly subscriptions: number;
  /** How many things happen to them, or which. */
  readonly blows: number | readonly Blow[];
  readonly drainTimeoutMs: number;
  /** After how long the group gives up a member that it does not hear of. */
  readonly sessionTimeoutMs: number;
  readonly properties: Properties;
}

const PARTITIONS = 4;
const RECORDS_PER_BLOW = 800;
/** As long as anything may take that has to happen. What takes longer does not happen at all. */
const PATIENCE_MS = 60_000;

export type Blow = 'start' | 'ask to end' | 'kill' | 'stop' | 'continue' | 'join' | 'leave';

/** A group whose members come and go, are killed, and are stopped for longer than the group waits for them, while records come in. */
export async function storm(options: StormOptions): Promise<void> {
  const running = new Storm(options);
  try {
    await running.run();
  } finally {
    running.end();
  }
}

class Storm {
  readonly #options: StormOptions;
  readonly #random: () => number;
  readonly #topic = `storm-${randomUUID()}`;
  readonly #log: AppendOnly;
  readonly #standing: Standing;
  readonly #programs: Program[] = [];
  /** By the name of its store. */
  readonly #members = new Map<string, { readonly program: Program; stopped: boolean; subscriptions: number }>();
  readonly #stores: readonly string[];
  #producer: Program | undefined;
  #sent = 0;
  #answered = 0;
  #started = 0;

  constructor(options: StormOptions) {
    this.#options = options;
    this.#random = seeded(options.seed);
    this.#log = new AppendOnly(stormFile(options.folder).log);
    this.#standing = new Standing(stormFile(options.folder).log);
    this.#stores = Array.from({ length: options.processes }, (_, i) => `store-${i}`);
  }

  async run(): Promise<void> {
    const { brokers, folder, blows } = this.#options;
    await createTopic(brokers, this.#topic, { partitions: PARTITIONS });
    const producing: ProducerOptions = { brokers, topic: this.#topic, partitions: PARTITIONS, journal: stormFile(folder).journal };
    this.#producer = this.#program('../kill/programs/producer', producing);
    this.#producer.onMessage((records) => (this.#answered = records as number));
    this.#program('programs/observer', {
      brokers,
      topic: this.#topic,
      group: this.#topic,
      partitions: PARTITIONS,
      log: stormFile(folder).log,
    } satisfies ObserverOptions);
    this.#send();
    this.#start(this.#stores[0] as string);
    const count = typeof blows === 'number' ? blows : blows.length;
    for (let blow = 0; blow < count; blow += 1) {
      await this.#blow(typeof blows === 'number' ? this.#choose() : (blows[blow] as Blow));
      this.#send();
      // Some blows fall while the group still works on the last one.
      if (this.#random() < 0.5) await this.#untilStable();
      else await delay(this.#random() * 700);
    }
    for (const [, member] of this.#members) if (member.stopped) this.#goOn(member);
    await this.#untilStable();
    // What comes in now comes to members that have survived everything.
    this.#send();
    await this.#untilAllWorkedOn();
    await Promise.all([...this.#members.keys()].map((store) => this.#askToEnd(store)));
    await this.#dump();
  }

  end(): void {
    for (const program of this.#programs) program.kill('SIGKILL');
    this.#log[Symbol.dispose]();
  }

  #choose(): Blow {
    const members = [...this.#members.values()];
    const live = members.filter(({ stopped }) => !stopped).length;
    const possible: Blow[] = [];
    if (members.length < this.#stores.length) possible.push('start', 'start');
    // Somebody has to be there to take over; a process that is alone comes back by itself.
    if (live > 1 || this.#stores.length === 1) possible.push('ask to end', 'kill', 'stop');
    if (live < members.length) possible.push('continue', 'continue');
    if (this.#options.subscriptions > 1 && live > 0) possible.push('join', 'join', 'leave', 'leave');
    return possible[Math.floor(this.#random() * possible.length)] as Blow;
  }

  async #blow(blow: Blow): Promise<void> {
    const absent = this.#stores.filter((store) => !this.#members.has(store));
    const [store = '', member] = this.#any((stopped) => stopped === (blow === 'continue')) ?? [];
    if (blow === 'start') this.#start(absent[0] as string);
    if (member === undefined) return;
    switch (blow) {
      case 'start':
        return;
      case 'ask to end':
        await this.#askToEnd(store);
        break;
      case 'kill':
        this.#log.line('K', member.program.pid);
        member.program.kill('SIGKILL');
        await member.program.ended;
        this.#members.delete(store);
        break;
      case 'stop':
        // Then no member is just being given a partition, of which it could speak only after it has been stopped, and too late.
        await this.#untilBalanced();
        await this.#untilAtWork();
        this.#log.line('Z', member.program.pid);
        member.program.kill('SIGSTOP');
        member.stopped = true;
        if (this.#stores.length > 1) return;
        // Nobody else is there to show that the group has given it up.
        await delay(this.#options.sessionTimeoutMs * (1.4 + this.#random()));
        this.#goOn(member);
        return;
      case 'continue':
        // A zombie is one whose partitions others have.
        await this.#untilStable();
        this.#goOn(member);
        return;
      case 'join':
        member.subscriptions += 1;
        member.program.send('join' satisfies MemberOrder);
        return;
      case 'leave':
        if (member.subscriptions === 1) return;
        member.subscriptions -= 1;
        member.program.send('leave' satisfies MemberOrder);
        return;
    }
    if (this.#members.size === 0) this.#start(store);
  }

  #any(wanted: (stopped: boolean) => boolean) {
    const candidates = [...this.#members].filter(([, { stopped }]) => wanted(stopped));
    return candidates[Math.floor(this.#random() * candidates.length)];
  }

  #start(store: string): void {
    const { brokers, folder, subscriptions, drainTimeoutMs, properties, seed } = this.#options;
    const program = this.#program('programs/member', {
      brokers,
      topic: this.#topic,
      group: this.#topic,
      folder,
      store,
      log: stormFile(folder).log,
      subscriptions,
      drainTimeoutMs,
      properties,
      seed: seed + (this.#started += 1),
    } satisfies MemberOptions);
    this.#members.set(store, { program, stopped: false, subscriptions });
  }

  #goOn(member: { readonly program: Program; stopped: boolean }): void {
    member.stopped = false;
    member.program.kill('SIGCONT');
    this.#log.line('C', member.program.pid);
  }

  async #askToEnd(store: string): Promise<void> {
    const { program } = this.#members.get(store) as { program: Program };
    this.#members.delete(store);
    this.#log.line('Q', program.pid);
    program.kill('SIGTERM');
    await this.#until(() => program.gone, `process ${program.pid}, which was asked to, ends`);
    this.#log.line('X', program.pid, await program.ended);
  }

  #send(): void {
    this.#producer?.send({ records: RECORDS_PER_BLOW } satisfies Send);
    this.#sent += RECORDS_PER_BLOW;
  }

  /** Every rebalance was answered: each partition has one member that can work on it. */
  async #untilStable(): Promise<void> {
    await this.#until(() => this.#owners().every(({ length }) => length === 1), 'every partition has a member again', this.#tellOwners);
  }

  /** No rebalance is under way: each member has its share. */
  async #untilBalanced(): Promise<void> {
    const members = [...this.#members.values()].filter(({ stopped }) => !stopped);
    const subscriptions = members.reduce((sum, member) => sum + member.subscriptions, 0);
    await this.#until(
      () => {
        const owners = this.#owners();
        return owners.every(({ length }) => length === 1) && new Set(owners.flat()).size === Math.min(PARTITIONS, subscriptions);
      },
      `${subscriptions} members share the partitions`,
      this.#tellOwners,
    );
  }

  #owners(): readonly (readonly string[])[] {
    return Array.from({ length: PARTITIONS }, (_, partition) => this.#standing.owners(partition));
  }

  readonly #tellOwners = (): string => `they have ${this.#owners().join('; ')}`;

  /** Something is in flight, and something that was finished is not yet known to all. */
  async #untilAtWork(): Promise<void> {
    const before = this.#standing.worked;
    this.#send();
    await this.#until(() => this.#standing.worked > before + RECORDS_PER_BLOW / 4, 'members work');
  }

  async #untilAllWorkedOn(): Promise<void> {
    await this.#until(
      () => this.#answered === this.#sent && this.#standing.worked === this.#sent,
      'every record is worked on',
      () => `${this.#standing.worked} of ${this.#sent}`,
    );
  }

  async #dump(): Promise<void> {
    const { folder } = this.#options;
    const dumper = this.#program('../kill/programs/storeDump');
    for (const store of this.#stores) {
      const order: DumpOrder = { store: join(folder, store), group: this.#topic, table: FOLDS, file: stormFile(folder).dump(store) };
      const said = dumper.nextMessage();
      dumper.send(order);
      if ((await said) !== 'written') throw new Error(`${store}: ${String(await said)}`);
    }
  }

  async #until(met: () => boolean, what: string, standing: () => string = () => ''): Promise<void> {
    const start = performance.now();
    while (!met()) {
      const fallen = [...this.#members.values()].find(({ program }) => program.gone);
      if (fallen !== undefined) throw new Error(`process ${fallen.program.pid} ended by itself with ${await fallen.program.ended}`);
      if (performance.now() - start > PATIENCE_MS) throw new Error(`it does not happen that ${what}: ${standing()}`);
      await delay(10);
    }
  }

  #program(name: string, options?: object): Program {
    const program = new Program(name, options);
    this.#programs.push(program);
    return program;
  }
}
