import { Observable, Subject, firstValueFrom, tap } from 'rxjs';
import * as rxjs from 'rxjs';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { createTopic } from '../broker/index.js';
import type { KafkaOptions, OffsetStore } from '../src/index.js';
import { openTelemetry } from '../marbles/support/openTelemetry.js';
import * as kafkaRx from '../src/index.js';
import * as testing from '../src/testing/index.js';
import { toFunction, typeErrors } from './examples/compile.js';
import { snippets } from './examples/snippets.js';
import { unique } from './support/numbered.js';
import { temporaryFolder } from './support/temporaryFolder.js';

const brokers = inject('brokers');
const examples = snippets();
/** A record goes to each: an example may read any of them. */
const PARTITIONS = [0, 1, 2, 3];

describe('the examples of the README and of the doc comments', () => {
  let complaints: ReadonlyMap<string, readonly string[]>;
  beforeAll(() => {
    complaints = typeErrors([
      ...examples,
      { where: 'wrong', code: "orders$.pipe(mapValue((value) => value), commit({ ordered: 'yes' }));\n" },
    ]);
  });

  it('are all there, and a wrong one would be noticed', () => {
    expect(examples.length).toBeGreaterThanOrEqual(14);
    expect(complaints.get('wrong')?.join()).toMatch(/'string' is not assignable to type 'boolean/);
  });

  it.each(examples)('$where compiles', ({ where }) => {
    expect(complaints.get(where)).toEqual([]);
  });

  it.each(examples)('$where runs', async ({ where, code }) => {
    await using folder = await temporaryFolder();
    const topics = {
      'orders': unique('orders'),
      'invoices': unique('invoices'),
      'prices': unique('prices'),
      'orders.copy': unique('orders.copy'),
    };
    for (const topic of Object.values(topics)) await createTopic(brokers, topic);
    const opened: kafkaRx.Kafka[] = [];
    const progress$ = new Subject<void>();
    const assigned$ = new Subject<void>();
    class Kafka extends kafkaRx.Kafka {
      constructor(options: KafkaOptions) {
        super(options);
        opened.push(this);
        void this.events$.forEach(({ type }) => {
          if (type === 'assigned') assigned$.next();
        });
      }
    }
    /** Says when something was remembered. */
    const watched = (store: OffsetStore): OffsetStore => ({
      claim: store.claim.bind(store),
      write: (group, checkpoints) =>
        rxjs.from(store.write(group, checkpoints)).pipe(
          tap({
            complete: () => {
              progress$.next();
            },
          }),
        ),
      reset: store.reset.bind(store),
      list: store.list.bind(store),
      state: store.state.bind(store),
      close: store.close.bind(store),
      [Symbol.asyncDispose]: store.close.bind(store),
    });
    const kafka = new Kafka({ brokers });
    const offsets = watched(kafkaRx.memoryOffsets());
    const orders$ = kafkaRx.fromTopic(kafka, topics.orders, { group: unique('readers'), offsets });
    const signals = new Map<string, () => void>();
    const words: Record<string, string> = {
      'localhost:9092': brokers.join("', '"),
      './offsets': `${folder.path}/offsets`,
      './spill': `${folder.path}/spill`,
      './billing.sock': `${folder.path}/billing.sock`,
      'billing': unique('billing'),
      ...topics,
    };
    const real = code.replace(/'([^']*)'/g, (quoted, word: string) =>
      word in words && !quoted.startsWith("'kafka-rx") ? `'${words[word] ?? ''}'` : quoted,
    );
    const progressed = firstValueFrom(progress$, { defaultValue: undefined });
    const produced = firstValueFrom(assigned$, { defaultValue: undefined }).then(() => write(kafka, Object.values(topics)));

    const names = {
      ...rxjs,
      ...kafkaRx,
      ...testing,
      Kafka,
      openOffsets: (path: string) => watched(kafkaRx.openOffsets(path)),
      kafka,
      offsets,
      orders$,
      records$: orders$,
      group: unique('readers'),
      work: tap(),
      traces: kafkaRx.tracing(openTelemetry().api),
      charge: (order: unknown) => Promise.resolve(`charged ${String(order)}`),
      console: { log: () => undefined },
      process: { once: (name: string, handler: () => void) => signals.set(name, handler) },
    };
    const running = toFunction({ where, code: real })(names, async (made) => {
      if (made instanceof Observable)
        await kafkaRx.drain(
          made.pipe(
            tap(() => {
              progress$.next();
            }),
          ),
        );
    });
    const streams = /from(Topic|Partitions)\(|orders\$\./.test(code);
    if (streams) {
      await Promise.race([produced, running]);
      await Promise.race([progressed, running]);
    }
    // What asks a cluster, serves, or moves a source is done by itself, and could not begin later.
    if (/kafka\.admin\.|serveStats\(|\.seek\(/.test(code)) await running;
    for (const handler of signals.values()) handler();
    await Promise.all(opened.map((one) => one.close()));
    await running;
  });
});

async function write(kafka: kafkaRx.Kafka, topics: readonly string[]): Promise<void> {
  await kafkaRx.drain(
    rxjs.from(topics.flatMap((topic) => PARTITIONS.map((partition) => ({ topic, partition })))).pipe(
      kafkaRx.toTopic(
        kafka,
        ({ topic }) => topic,
        ({ partition }) => ({ key: 'k', value: '{"total":3}', partition }),
      ),
    ),
  );
}
