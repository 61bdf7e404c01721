import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { endWith, from, mergeMap, NEVER, of, range, Subject, take, timer } from 'rxjs';
import { describe, expect, inject, it, vi } from 'vitest';
import type { Delivery, KafkaRxError } from '../../src/index.js';
import { commit, fromTopic, Kafka, memoryOffsets, toTopic } from '../../src/index.js';
import { collect, failure } from './outcome.js';
import { created, unique } from './topics.js';
import { contents, counts } from './witness.js';
import { eventually } from '../support/eventually.js';

const brokers = inject('brokers');
/** What is sent stays in the client until it is told to end. */
const held = { 'linger.ms': 200_000 };

describe('toTopic', () => {
  it('connects to nothing before it is subscribed to, and anew for each subscription', async () => {
    const callers = new Set<unknown>();
    const server = createServer((socket) => {
      callers.add(socket);
      socket.on('error', () => undefined).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await using kafka = new Kafka({ brokers: [`127.0.0.1:${(server.address() as AddressInfo).port}`], connectTimeoutMs: 500 });
    const events: unknown[] = [];
    void kafka.events$.forEach((event) => events.push(event));
    const out$ = NEVER.pipe(toTopic(kafka, 'out', () => null));

    await collect(timer(300));
    expect([callers.size, events.length]).toEqual([0, 0]);

    await failure(out$);
    const first = callers.size;
    expect(first).toBeGreaterThan(0);
    await failure(out$);
    expect(callers.size).toBeGreaterThan(first);
    server.close();
  });

  it('opens nothing more once its Kafka is closed', async () => {
    const kafka = new Kafka({ brokers });
    await kafka.close();

    expect(await failure(of('x').pipe(toTopic(kafka, 'out', (value) => ({ value }))))).toMatchObject({ code: 'CLOSED' });
  });

  it('stops a source that emits without a pause as soon as its subscriber has enough', async () => {
    await using kafka = new Kafka({ brokers });
    const to = vi.fn(() => null);

    expect(await collect(range(0, 1_000).pipe(toTopic(kafka, 'out', to), take(1)))).toEqual([0]);

    expect(to).toHaveBeenCalledTimes(1);
  });
});

describe.runIf(inject('brokerKind') !== 'embedded')('leaving toTopic', () => {
  it('by unsubscribing makes no more callbacks, stops the source, and lets go of the client', async () => {
    const kafka = new Kafka({ brokers });
    const topic = await created('left', 1);
    const source$ = new Subject<string>();
    const [to, result, seen] = [vi.fn((value: string) => ({ value })), vi.fn(), vi.fn()];
    const ready = await connected(kafka);
    const subscription = source$.pipe(toTopic(kafka, topic, to, { result, properties: held })).subscribe({ next: seen, error: seen, complete: seen }); // prettier-ignore
    source$.next('in the client');
    await ready();

    subscription.unsubscribe();
    expect(source$.observed).toBe(false);
    source$.next('too late');
    await kafka.close();

    expect(to).toHaveBeenCalledTimes(1);
    expect(result).not.toHaveBeenCalled();
    expect(seen).not.toHaveBeenCalled();
  });

  it('before it has connected sends nothing', async () => {
    const kafka = new Kafka({ brokers });
    const topic = await created('unsent', 1);

    of('x')
      .pipe(toTopic(kafka, topic, (value) => ({ value })))
      .subscribe()
      .unsubscribe();
    await kafka.close();

    expect(await counts(brokers, topic)).toEqual([0]);
  });

  it('in the middle of acknowledgements asks `result` for nothing more', async () => {
    await using kafka = new Kafka({ brokers });
    const topic = await created('enough', 2);
    const source$ = new Subject<number>();
    const result = vi.fn((_: number, [delivery]: readonly Delivery[]) => delivery?.partition);
    const inBatches = { 'linger.ms': 200_000, 'batch.num.messages': 2 };
    const ready = await connected(kafka);
    const first = collect(
      source$.pipe(
        toTopic(kafka, topic, (partition) => ({ partition, value: 'x' }), { result, properties: inBatches }),
        take(1),
      ),
    );

    // The first has to wait for the batch of its partition; by then the others could go on as well.
    for (const partition of [1, 0, 0]) source$.next(partition);
    await eventually(async () => {
      expect(await counts(brokers, topic)).toEqual([2, 0]);
    });
    await ready();
    source$.next(1);

    expect(await first).toEqual([1]);
    await kafka.close();
    expect(result).toHaveBeenCalledTimes(1);
  });

  it('while no broker answers lets go of the client too', async () => {
    const kafka = new Kafka({ brokers: ['127.0.0.1:1'], connectTimeoutMs: 500 });
    const seen = vi.fn();

    of('x')
      .pipe(toTopic(kafka, 'out', (value) => ({ value })))
      .subscribe({ next: seen, error: seen, complete: seen })
      .unsubscribe();
    await kafka.close();

    expect(seen).not.toHaveBeenCalled();
  });

  it('by closing its Kafka writes what it was given, and passes it on, before it completes', async () => {
    const kafka = new Kafka({ brokers });
    const topic = await created('closing', 2);
    const done = collect(range(0, 5_000).pipe(toTopic(kafka, topic, (n) => ({ value: `${n}` }), { properties: { 'queue.buffering.max.messages': 100 } }))); // prettier-ignore

    await kafka.close();

    expect(await done).toHaveLength(5_000);
    expect((await counts(brokers, topic)).reduce((sum, n) => sum + n)).toBe(5_000);
  });

  it('by closing its Kafka still takes what a source of that Kafka has in flight', async () => {
    const kafka = new Kafka({ brokers });
    const [here, there] = [await created('here', 1), await created('there', 1)];
    await collect(range(0, 50).pipe(toTopic(kafka, here, (n) => ({ value: `${n}` }))));
    const offsets = memoryOffsets();
    const group = unique('closing');
    const gate$ = new Subject<never>();
    const arrived = vi.fn();
    const done = collect(
      fromTopic(kafka, here, { group, offsets }).pipe(
        mergeMap((record) => {
          arrived();
          return gate$.pipe(endWith(record));
        }),
        toTopic(kafka, there),
        commit(),
      ),
    );
    await eventually(() => {
      expect(arrived).toHaveBeenCalledTimes(50);
    });

    const closed = kafka.close();
    gate$.complete();
    await closed;

    expect(await done).toHaveLength(50);
    expect(await contents(brokers, there)).toHaveLength(50);
    const checkpoints = (await collect(from(offsets.list(group)))).flat();
    expect(checkpoints).toMatchObject([{ topic: here, frontier: 50 }]);
  });

  it('by closing its Kafka errors when the source does not end, after what it was given is written', async () => {
    const kafka = new Kafka({ brokers });
    const topic = await created('endless', 1);
    const source$ = new Subject<string>();
    const seen: unknown[] = [];
    source$.pipe(toTopic(kafka, topic, (value) => ({ value }))).subscribe({
      next: (value) => seen.push(value),
      error: (error: unknown) => seen.push((error as KafkaRxError).code),
    });
    source$.next('a');

    await kafka.close();

    expect(seen).toEqual(['a', 'CLOSED']);
    expect(source$.observed).toBe(false);
    expect(await counts(brokers, topic)).toEqual([1]);
  });
});

/** Gives a wait for whatever the broker is asked until then. */
async function connected(kafka: Kafka): Promise<() => Promise<unknown>> {
  const topic = await created('meanwhile', 1);
  return () => collect(of('x').pipe(toTopic(kafka, topic, (value) => ({ value }))));
}
