import type { GroupedObservable, Observable, Subscriber } from 'rxjs';
import { EMPTY, ReplaySubject, defer, distinctUntilChanged, finalize, map, tap } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { OptionError } from '../errors.js';
import type { KafkaEvent } from '../events.js';
import type { OffsetStore } from '../offsets/store.js';
import type { OptionKind } from '../options.js';
import { checkOptions } from '../options.js';
import type { Lane, TopicPartition } from '../position.js';
import type { KafkaRecord, ProducerHeaders, ProducerRecord } from '../record.js';
import type { Delivery } from '../sources/delivery.js';
import { inOneStream } from '../sources/delivery.js';
import { groupSourceOf } from '../sources/groupSource.js';
import type { PartitionLane } from '../sources/lane.js';
import { PartitionDelivery } from '../sources/partitionDelivery.js';
import type { SessionOptions } from '../sources/session.js';
import type { SourceOptions } from '../sources/sourceOptions.js';
import { SOURCE_OPTIONS, resolveSourceOptions } from '../sources/sourceOptions.js';
import { Coordinator } from './coordinator.js';
import type { Named } from './marbleDisk.js';
import { GROUP, MarbleDisk } from './marbleDisk.js';
import type { Machine } from './machine.js';
import { eventsOf, lettersOf } from './marbleLine.js';
import { FakeMember } from './member.js';
import type { Process } from './process.js';
import type { Contents } from './topicLog.js';
import { TopicLog } from './topicLog.js';

type SourceMarbles = Pick<SourceOptions, 'maxInFlight' | 'maxInFlightBytes' | 'from' | 'drainTimeoutMs' | 'stallAfterMs' | 'signal'>;

/** The value of a record, or all that it holds. */
export type MarbleValue = string | Buffer | null | Pick<ProducerRecord, 'key' | 'value' | 'headers' | 'timestamp'>;

/** How a topic in marbles behaves, and the options of its source, with the defaults that `fromTopic` has. */
export interface MarbleTopicOptions extends SourceMarbles {
  /** What the records of these letters hold. Default: the letter as value, no key, no headers, the time in the diagram as timestamp. */
  readonly values?: Readonly<Record<string, MarbleValue>>;
  /**
   * When this member of the group has a partition: `^` it is given, `!` it is taken away, `x` it is lost: the member hears nothing of it before, and
   * as it is out of the group, loses all it has. One line per partition, or one for all. Default: all of them, from the start.
   */
  readonly assigned?: string | readonly string[];
  /**
   * What each write to the store takes, as `cold('---|')`, or how it fails, as `cold('---#', undefined, error)`. Default: no time. For one after the
   * other `defer` the choice. A write that is under way when the process crashes is not done.
   */
  readonly writes?: Observable<unknown>;
  /** Errors that reading meets, as librdkafka's codes: `hot('---e', { e: -195 })` is a broken connection. Default: none. */
  readonly errors?: Observable<number>;
  /** The name that its records carry. Default `'orders'`. */
  readonly name?: string;
}

/** A topic in marbles, and what can be asked of its source. */
export interface MarbleTopic {
  /** Its records, as `fromTopic` gives them: cold, bounded, from where the store says. It has one subscription at a time. */
  readonly records$: Observable<KafkaRecord>;
  /** The same by partition, as `fromTopicByPartition` gives them, in place of `records$`. */
  readonly partitions$: Observable<GroupedObservable<TopicPartition, KafkaRecord>>;
  /** The letters of records, as they become finished on disk. */
  readonly onDisk$: Observable<string>;
  /** How many records are emitted and not finished, as text: when it is subscribed to, and at the end of each moment in which it has changed. */
  readonly open$: Observable<string>;
  /** What `kafka.events$` would emit. */
  readonly events$: Observable<KafkaEvent>;
  /** The store. It outlives crashes. */
  readonly offsets: OffsetStore;
}

const { maxInFlight, maxInFlightBytes, from, drainTimeoutMs, stallAfterMs, signal } = SOURCE_OPTIONS;
const OPTIONS = {
  ...{ maxInFlight, maxInFlightBytes, from, drainTimeoutMs, stallAfterMs, signal },
  ...{ values: 'object', assigned: 'any', writes: 'object', errors: 'object', name: 'text' },
} satisfies Record<keyof MarbleTopicOptions, OptionKind>;

/** What a topic shares with the others of its test. */
export interface MarbleWorld {
  readonly scheduler: TestScheduler;
  readonly frameEnds$: Observable<number>;
  readonly machine: Machine;
  /** How diagrams call the records of a lane. */
  readonly letters: WeakMap<Lane, (offset: number) => string>;
}

/** The real sessions, lanes, credits and checkpoints, on a log, a group and a disk in virtual time. */
export function marbleTopic(world: MarbleWorld, records: string | readonly string[], options: MarbleTopicOptions): MarbleTopic {
  checkOptions('topic', options, OPTIONS);
  const { scheduler } = world;
  const { values = {}, assigned = '^', writes = EMPTY, errors = EMPTY, name = 'orders', ...source } = options;
  const resolved = resolveSourceOptions('topic', source);
  const lines = typeof records === 'string' ? [records] : records;
  const log = new TopicLog(name, Array<number>(lines.length).fill(0));
  const named: Named[] = [];
  const disk = new MarbleDisk(named, writes);
  const group = new Coordinator(scheduler);
  const events$ = new ReplaySubject<KafkaEvent>(Infinity);
  const lanes = new Set<PartitionLane>();

  for (const [partition, line] of lines.entries()) {
    for (const { frame, symbol: letter } of lettersOf('topic', line)) {
      scheduler.schedule(() => {
        const offset = log.write(partition, contentsOf(letter, values[letter], scheduler.now()));
        named.push({ topic: name, partition, offset, letter });
        group.member?.notice();
      }, frame);
    }
    const changes = typeof assigned === 'string' ? assigned : (assigned[partition] ?? '');
    for (const { frame, symbol } of eventsOf('assigned', changes, ['^', '!', 'x'])) {
      scheduler.schedule(() => {
        if (symbol === '^') group.give(partition);
        else if (symbol === '!') group.take(partition);
        else group.lose(partition);
      }, frame);
    }
  }
  const failures$ = errors.pipe(
    tap((code) => {
      group.member?.failNext({ code, message: 'as the diagram says' });
    }),
  );
  scheduler.schedule(() => failures$.subscribe());

  const join = (member: FakeMember): void => {
    if (group.member?.closed === false) {
      throw new OptionError('topic: its source has a subscription already, and has one at a time: share() it, or make another topic.');
    }
    group.join(member);
  };
  /** Knows each lane, and how diagrams call its records. */
  function noted(delivery: Delivery): Delivery {
    const { laneFor } = delivery;
    return Object.assign(delivery, {
      laneFor: (...lane: Parameters<Delivery['laneFor']>) => {
        const made = laneFor(...lane);
        for (const one of lanes) if (!one.live) lanes.delete(one);
        lanes.add(made);
        const { partition } = made;
        world.letters.set(made, (offset) => named.find((one) => one.partition === partition && one.offset === offset)?.letter ?? '?');
        return made;
      },
    });
  }
  function open<T>(process: Process, delivery: (subscriber: Subscriber<T>, options: SessionOptions) => Delivery): Observable<T> {
    const offsets = disk.openedBy(process);
    process.killed$
      .pipe(
        tap(() => {
          group.forget();
          lanes.clear();
        }),
      )
      .subscribe();
    return groupSourceOf((subscriber: Subscriber<T>, options) => noted(delivery(subscriber, options)), {
      group: GROUP,
      offsets: () => offsets,
      mirror: true,
      onStateStale: () => undefined,
      source: resolved,
      member: (listener) => {
        const onAnswered = (): void => {
          group.checkSoon();
        };
        return new FakeMember(log, listener, { scheduler: process, readMs: () => 0, prompt: true, onJoined: join, onAnswered });
      },
      emit: (event) => {
        if (process.alive) events$.next(event);
      },
      register: () => () => undefined,
      scheduler: process,
    }).pipe(
      finalize(() => {
        // Leaving waits for the read in flight.
        group.member?.endWait();
      }),
    );
  }
  /** Of each process its own. */
  function inProcess<T>(delivery: (subscriber: Subscriber<T>, options: SessionOptions) => Delivery): Observable<T> {
    let opened: { readonly process: Process; readonly source$: Observable<T> } | undefined;
    return defer(() => {
      const { process } = world.machine;
      if (opened?.process !== process) opened = { process, source$: open(process, delivery) };
      return opened.source$;
    });
  }
  return {
    records$: inProcess(inOneStream),
    partitions$: inProcess((subscriber, options) => new PartitionDelivery(subscriber, options)),
    onDisk$: disk.remembered$,
    open$: world.frameEnds$.pipe(
      map(() => String([...lanes].reduce((sum, lane) => sum + (lane.live ? lane.records : 0), 0))),
      distinctUntilChanged(),
    ),
    events$: events$.asObservable(),
    offsets: disk.offsets,
  };
}

function contentsOf(letter: string, value: MarbleValue | undefined, timestamp: number): Contents {
  if (value === undefined || typeof value === 'string' || value === null || Buffer.isBuffer(value)) {
    return { timestamp, key: null, value: bytesOf(value === undefined ? letter : value), headers: [] };
  }
  const { key = null, headers = [] } = value;
  return {
    timestamp: value.timestamp ?? timestamp,
    key: bytesOf(key),
    value: bytesOf(value.value),
    headers: pairsOf(headers).map(([header, word]) => [header, bytesOf(word)] as const),
  };
}

function pairsOf(headers: ProducerHeaders): readonly (readonly [name: string, value: Buffer | string | null])[] {
  return isPairs(headers) ? headers : Object.entries(headers);
}

function isPairs(headers: ProducerHeaders): headers is Extract<ProducerHeaders, readonly unknown[]> {
  return Array.isArray(headers);
}

function bytesOf(text: string | Buffer | null): Buffer | null {
  return typeof text === 'string' ? Buffer.from(text) : text;
}
