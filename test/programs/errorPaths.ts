import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect, promisify } from 'node:util';
import type { Observable } from 'rxjs';
import { NEVER, catchError, concatMap, defer, filter, from, map, mergeMap, of, race, take } from 'rxjs';
import { openTelemetry } from '../../marbles/support/openTelemetry.js';
import type { KafkaOptions, KafkaRecord, KafkaSource, Logger, Meter, PromClient, SeekTarget, ToTopicOptions } from '../../src/index.js';
import {
  Kafka,
  batch,
  commit,
  deadLetter,
  decode,
  drain,
  fromPartitions,
  fromTopic,
  fromTopicByPartition,
  groupOffsets,
  health,
  json,
  memoryOffsets,
  meter,
  openOffsets,
  processRecord,
  produceAll,
  prometheus,
  publisher,
  readTopic,
  release,
  retryRecord,
  serveStats,
  text,
  toTopic,
  toTransaction,
  tracing,
} from '../../src/index.js';

/** What must never be seen. */
export interface Canaries {
  readonly password: string;
  readonly keyPassword: string;
  /** A private key in PEM, encrypted with another password. */
  readonly key: string;
  readonly payload: string;
}

export interface ErrorPathsOptions {
  readonly brokers: readonly string[];
  /** With a log-in that does not know the password. */
  readonly guarded: readonly string[];
  /** Takes connections, and says nothing. */
  readonly silent: string;
  readonly nobody: string;
  readonly folder: string;
  /** Holds a record whose key, value and header are the payload. */
  readonly topic: string;
  /** Whose state is in the offset store that is left in the folder. */
  readonly stateGroup: string;
  /** Takes records of a thousand bytes. */
  readonly narrow: string;
  /** Where to write. */
  readonly empty: string;
  readonly canaries: Canaries;
  /** A leak that is to be found: it shows that what is printed here is looked through. */
  readonly planted: 'none' | 'event' | 'thrown' | 'stderr';
}

/** Goes down every path that ends with an error, prints all that anybody could see of it, and last the code of each error. */
const options = JSON.parse(process.argv[2] ?? '') as ErrorPathsOptions;
const { brokers, guarded, silent, nobody, folder, topic, stateGroup, narrow, empty, canaries, planted } = options;
const { password, keyPassword, key, payload } = canaries;

function show(what: string, seen: unknown): void {
  const text = inspect(seen, { depth: 12, showHidden: true, maxArrayLength: Infinity, maxStringLength: Infinity });
  process.stdout.write(`${what}: ${text}\n${JSON.stringify(seen)}\n`);
}

const line = (context: object, message: string): void => {
  show('log', [context, message]);
};
const logger: Logger = { debug: line, info: line, warn: line, error: line };
process.on('warning', (warning) => {
  show('warning', warning);
});

/** Too many would keep each other from what they have to do in time. */
const AT_ONCE = 10;

const opened: Kafka[] = [];

function open(more: Partial<KafkaOptions> = {}): Kafka {
  const kafka = new Kafka({ brokers, logger, ...more });
  opened.push(kafka);
  void kafka.events$.forEach((event) => {
    show('event', event);
  });
  show('kafka', kafka);
  return kafka;
}

/** With all that librdkafka has to say. */
function chatty(more: Partial<KafkaOptions> = {}): Kafka {
  return open({ ...more, properties: { 'debug': 'all', 'statistics.interval.ms': 700, ...more.properties } });
}

/** Of brokers that let nobody in. */
const connectTimeoutMs = 2_000;
const sasl = { mechanism: 'PLAIN', username: 'somebody', password } as const;
const group = `canary-${process.pid}`;
let groups = 0;

function source(kafka: Kafka, name: string, more: object = {}): KafkaSource {
  return fromTopic(kafka, name, { group: `${group}-${(groups += 1)}`, offsets: memoryOffsets(), ...more });
}

function write(kafka: Kafka, to: string, record: unknown, more: ToTopicOptions<unknown> = {}): Observable<unknown> {
  return of(record).pipe(toTopic(kafka, to, () => record as never, more));
}

const broken = (): never => {
  throw new Error('the work has failed');
};
const soon = { topicProperties: { 'message.timeout.ms': 500 } };

const flip = (path: string): void => {
  const bytes = readFileSync(path);
  // Beside the canary, and not in it: then nobody could find it.
  const at = bytes.indexOf(payload);
  if (at < 1) return;
  bytes[at - 1] = (bytes[at - 1] as number) ^ 0xff;
  writeFileSync(path, bytes);
};
const files = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** State and offsets of the record with the payload, then damaged. */
async function corruptStore(): Promise<unknown> {
  const kafka = open();
  const store = join(folder, 'offsets');
  const offsets = openOffsets(store);
  await drain(
    fromTopic(kafka, topic, { group: stateGroup, offsets }).pipe(
      commit({
        apply: (records, txn) => {
          for (const { value } of records) txn.table<string>('t').put(payload, `${String(value)}${payload}`);
        },
        metadata: 'of no interest',
      }),
      take(1),
    ),
  );
  await kafka.close();
  await offsets.close();
  for (const file of files(store)) flip(file);
  return openOffsets(store);
}

async function publishing(): Promise<unknown> {
  const kafka = chatty({ brokers: [nobody], connectTimeoutMs, sasl });
  const spill = join(folder, 'spill');
  const wrong = [{ headers: { h: `${payload}\ud800` } }, { headers: 7 as never }, { topic: 'not a topic' }];
  const first = publisher(kafka, {
    topic: empty,
    spill,
    maxMessageBytes: 2_000,
    maxSpillBytes: 4_000,
    closeTimeoutMs: 100,
    probeTimeoutMs: 100,
  });
  void first.outcomes$.forEach((outcome) => {
    // The key is there for whoever sent it.
    show('outcome', { ...outcome, key: undefined });
  });
  for (const more of [{}, ...wrong]) show('send', first.send(payload, payload, more));
  show('send', first.send(payload, payload.repeat(1_000)));
  for (let i = 0; i < 50; i += 1) show('send', first.send(payload, payload, { headers: { h: payload } }));
  await first.close();
  show('send', first.send(payload, payload));
  show('stats', first.stats());
  for (const file of files(spill)) flip(file);
  const second = publisher(chatty({ brokers: [nobody], connectTimeoutMs }), {
    topic: empty,
    spill,
    closeTimeoutMs: 100,
    probeTimeoutMs: 100,
  });
  void second.outcomes$.forEach((outcome) => {
    // The key is there for whoever sent it.
    show('outcome', { ...outcome, key: undefined });
  });
  await second.close();
  show('stats', second.stats());
  return publisher(open(), { topic: empty, spill: files(spill)[0] ?? '' });
}

/** A position as it may be at hand: that of a record, with all that it holds. */
const sought = { topic, key: payload, value: payload, headers: [['h', payload]] };

/** Goes elsewhere when the record with the payload was read. */
async function seeking(to: unknown): Promise<unknown> {
  const record$ = source(open(), topic, { maxInFlight: 10 });
  const failed$ = record$.pipe(
    concatMap(() => record$.seek(to as SeekTarget)),
    concatMap(() => NEVER),
  );
  return drain(failed$);
}

/** Everything that tells others how a source stands, while it works on the record with the payload and fails. */
async function observed(): Promise<void> {
  const kafka = open();
  const collected: (() => void)[] = [];
  class Metric {
    readonly options: unknown;
    constructor(metric: { collect: () => void }) {
      this.options = metric;
      collected.push(() => {
        metric.collect();
      });
    }
    reset(): void {
      show('reset', this.options);
    }
    set(labels: object, value: number): void {
      show('gauge', [this.options, labels, value]);
    }
    inc(labels: object, value: number): void {
      show('counter', [this.options, labels, value]);
    }
  }
  const otel: Meter = {
    createObservableGauge: (name, about) => ({ name, about }),
    createObservableCounter: (name, about) => ({ name, about }),
    addBatchObservableCallback: (callback) => {
      collected.push(() => {
        callback({
          observe: (...all) => {
            show('observed', all);
          },
        });
      });
    },
    removeBatchObservableCallback: () => undefined,
  };
  prometheus(kafka, { Gauge: Metric, Counter: Metric } satisfies PromClient);
  meter(kafka, otel);
  const { api, spans } = openTelemetry();
  const traces = tracing(api, { group });
  const { status$ } = health(kafka);
  void status$.forEach((status) => {
    show('health', status);
  });
  void kafka.stats$.forEach((stats) => {
    show('stats', stats);
  });
  void kafka.producerStats$.forEach((stats) => {
    show('stats', stats);
  });
  const path = join(folder, 'stats');
  await serveStats(kafka, path);
  const socket = connect(path);
  socket.on('data', (bytes) => {
    show('served', String(bytes));
  });
  await once(socket, 'connect');
  const stop = new AbortController();
  const finished = drain(
    source(kafka, topic, { signal: stop.signal, statsEveryMs: 100 }).pipe(
      // It fails, as work does that quotes what it cannot work on, and goes on.
      processRecord((record) =>
        traces
          .process(({ value }: KafkaRecord): string => {
            throw new TypeError(`cannot work on ${String(value)}`);
          })(record)
          .pipe(catchError(() => [{ ...record, value: payload }])),
      ),
      toTopic(
        kafka,
        empty,
        traces.outgoing(empty, ({ headers }: KafkaRecord<string>) => ({ key: payload, value: payload, headers })),
      ),
      commit(),
    ),
  );
  await race(
    kafka.stats$.pipe(
      filter(({ totals }) => totals.finished > 0),
      take(1),
    ),
    from(finished),
  ).forEach(() => undefined);
  const top = [fileURLToPath(new URL('../../src/cli/main.js', import.meta.url)), 'top', path, '--count', '2'];
  for (const more of [[], ['--json']]) show('top', await promisify(execFile)(process.execPath, [...top, ...more]));
  for (const collect of collected) collect();
  show('spans', spans);
  if (spans.length < 2) throw new Error('nothing was traced');
  stop.abort();
  await finished;
  socket.destroy();
}

/** What must fail: each path, how, and with which code. */
const paths: readonly (readonly [code: string, path: () => unknown])[] = [
  // Options.
  ['OPTION', () => open({ brokers: [`kafka://somebody:${password}@localhost:9092`] })],
  ['OPTION', () => open({ brokers: [`somebody:${password}@localhost:9092`] })],
  ['OPTION', () => open({ sasl: { mechanism: password as 'PLAIN', username: 'somebody', password } })],
  ['OPTION', () => open({ sasl: { username: 'somebody', password } as never })],
  ['OPTION', () => open({ sasl: { ...sasl, pasword: password } as never })],
  ['OPTION', () => open({ sasl: password as never })],
  ['OPTION', () => open({ ssl: { key, keyPassword: [keyPassword] as never } })],
  ['OPTION', () => fromPartitions(open(), topic, { name: group, offsets: memoryOffsets(), worker: { slot: payload as never, of: 3 } })],
  ['OPTION', () => fromPartitions(open(), topic, { name: group, offsets: memoryOffsets(), worker: payload as never })],
  ['OPTION', () => fromPartitions(open(), { [topic]: [payload as never] }, { name: group, offsets: memoryOffsets() })],
  ['OPTION', () => drain(fromPartitions(open(), { [topic]: [0, 99] }, { name: group, offsets: memoryOffsets() }))],
  ['OPTION', () => drain(source(open({ properties: { 'sasl.password': password, 'sasl.pasword': password } }), topic))],
  // Brokers that let nobody in, and those that are not there.
  ['BROKER_UNAVAILABLE', () => drain(source(chatty({ brokers: guarded, connectTimeoutMs, sasl }), topic))],
  [
    'BROKER_UNAVAILABLE',
    () => drain(readTopic(chatty({ brokers: guarded, connectTimeoutMs, sasl: { ...sasl, mechanism: 'SCRAM-SHA-512' } }), topic)),
  ],
  ['BROKER_UNAVAILABLE', () => drain(NEVER.pipe(toTopic(chatty({ brokers: guarded, connectTimeoutMs, sasl }), empty, () => null)))],
  ['BROKER_UNAVAILABLE', () => chatty({ brokers: guarded, connectTimeoutMs, sasl }).admin.topics({ timeoutMs: 20_000 })],
  ['BROKER_UNAVAILABLE', () => drain(source(chatty({ connectTimeoutMs, sasl }), topic))],
  ['BROKER_UNAVAILABLE', () => drain(source(chatty({ connectTimeoutMs, sasl, ssl: true }), topic))],
  ['BROKER_UNAVAILABLE', () => drain(source(chatty({ brokers: [silent], connectTimeoutMs, sasl, ssl: true }), topic))],
  ['BROKER_UNAVAILABLE', () => drain(source(chatty({ brokers: [nobody], connectTimeoutMs, sasl }), topic))],
  // A key that cannot be read.
  ['OPTION', () => drain(source(chatty({ ssl: { key, keyPassword } }), topic))],
  ['OPTION', () => drain(source(chatty({ ssl: { key: `not PEM ${keyPassword}`, certificate: `nor is ${keyPassword}` } }), topic))],
  ['CLIENT_UNAVAILABLE', () => drain(NEVER.pipe(toTopic(chatty({ ssl: { key, keyPassword } }), empty, () => null)))],
  // Records that cannot be written.
  ['INVALID_RECORD', () => drain(write(open(), empty, payload))],
  ['INVALID_RECORD', () => drain(write(open(), empty, { key: payload, value: { payload } }))],
  ['INVALID_RECORD', () => drain(write(open(), empty, { key: `${payload}\ud800`, value: payload }))],
  ['INVALID_RECORD', () => drain(write(open(), empty, { value: payload, headers: [['h', payload, payload]] }))],
  ['INVALID_RECORD', () => drain(write(open(), empty, { value: payload, headers: { h: [payload] } }))],
  ['INVALID_RECORD', () => drain(write(open(), empty, { value: payload, timestamp: payload }))],
  ['RECORD_TOO_LARGE', () => drain(write(chatty(), empty, { key: payload, value: payload.repeat(100_000) }))],
  ['RECORD_TOO_LARGE', () => drain(write(chatty(), narrow, { key: payload, value: payload.repeat(1_000), headers: { h: payload } }))],
  ['UNKNOWN_DESTINATION', () => drain(write(chatty(), empty, { key: payload, value: payload, partition: 99 }, soon))],
  [
    'DELIVERY_TIMEOUT',
    () => drain(write(chatty(), `${empty}-is-not-there`, { key: payload, value: payload, headers: { h: payload } }, soon)),
  ],
  [
    'INVALID_RECORD',
    () => {
      const kafka = chatty();
      return drain(
        fromTopic(kafka, topic, { group: `${group}-transaction`, offsets: groupOffsets(kafka) }).pipe(
          toTransaction(kafka, empty, ({ key, value }) => ({ key, value, headers: { h: Buffer.from([0, 1]) } }), {
            transactionalId: group,
          }),
        ),
      );
    },
  ],
  [
    'RESULT',
    async () => {
      const { errors } = await produceAll(open(), [{ value: payload, partition: 99 }], { topic: empty });
      show('errors', errors);
      throw Object.assign(new Error('has errors'), { code: errors.length > 0 ? 'RESULT' : 'none' });
    },
  ],
  // Records that cannot be read, or worked on.
  ['DECODE', () => drain(source(chatty(), topic).pipe(decode(json()), commit()))],
  [
    'DECODE',
    () =>
      drain(
        source(open(), topic).pipe(
          map((record) => ({ ...record, value: Buffer.from([0xff, ...(record.value ?? [])]) })),
          decode(text()),
          commit(),
        ),
      ),
  ],
  [
    'DECODE',
    () =>
      drain(
        source(open(), topic).pipe(
          decode({ decode: (all) => new TextDecoder('utf-16le', { fatal: true }).decode(Buffer.concat([all, Buffer.from([0])])) }),
          commit(),
        ),
      ),
  ],
  ['none', () => drain(source(open(), topic).pipe(processRecord(broken), commit()))],
  [
    'none',
    () =>
      drain(
        source(open(), topic).pipe(
          retryRecord(() => defer(broken), { attempts: 2, delayMs: 0 }),
          commit(),
        ),
      ),
  ],
  [
    'UNKNOWN_DESTINATION',
    () =>
      drain(
        source(open(), topic).pipe(
          processRecord(broken, { onError: deadLetter(toTopic(chatty(), empty, (letter) => ({ ...letter, partition: 99 }), soon)) }),
          commit(),
        ),
      ),
  ],
  [
    'OPTION',
    () =>
      drain(
        source(open(), topic).pipe(
          map(({ value }) => value as never),
          commit(),
        ),
      ),
  ],
  [
    'OPTION',
    () =>
      drain(
        source(open(), topic).pipe(
          map(({ key }) => key as never),
          batch({ maxMs: 0 }),
          release(),
        ),
      ),
  ],
  [
    'STALLED',
    () =>
      drain(
        source(open(), topic, { maxInFlight: 1, stallAfterMs: 50, drainTimeoutMs: 0 }).pipe(
          concatMap(() => NEVER),
          commit(),
        ),
      ),
  ],
  [
    'ALREADY_SUBSCRIBED',
    () =>
      drain(
        fromTopicByPartition(open(), topic, { group: `${group}-twice`, offsets: memoryOffsets() }).pipe(
          mergeMap((partition$) => partition$.pipe(mergeMap(() => partition$))),
          commit(),
        ),
      ),
  ],
  ['NOT_ASSIGNED', () => seeking({ ...sought, partition: 99, offset: 0 })],
  ['OFFSET_OUT_OF_RANGE', () => seeking({ ...sought, partition: 0, offset: 4_711 })],
  ['OPTION', () => seeking({ topic, partition: 0, offset: payload })],
  ['OPTION', () => seeking({ ...sought, to: payload })],
  ['OPTION', () => seeking(payload)],
  ['UNKNOWN_TOPIC', () => drain(source(chatty(), `${empty}-is-not-there`))],
  ['OFFSET_OUT_OF_RANGE', () => drain(readTopic(open(), topic, { from: 4_711, until: 4_712 }))],
  // What others are told.
  ['nothing', observed],
  // What lies on the disk.
  ['STORE_CORRUPT', corruptStore],
  ['STORE_UNAVAILABLE', publishing],
];

async function codeOf(path: () => unknown): Promise<string> {
  try {
    await path();
    return 'nothing';
  } catch (error) {
    show('thrown', error);
    return (error as { code?: string }).code ?? 'none';
  }
}

// With a leak of its own it need not look for others.
const codes: string[] = [];
const codes$ = from(planted === 'none' ? paths.entries() : []).pipe(
  mergeMap(async ([i, [, path]]) => {
    codes[i] = await codeOf(path);
  }, AT_ONCE),
);
await drain(codes$);
if (planted === 'event') open().emit({ type: 'notice', message: Buffer.from(`the password is ${password}`).toString('base64') });
if (planted === 'thrown') show('thrown', new Error('a value', { cause: Buffer.from(payload) }));
if (planted === 'stderr') process.stderr.write(`${keyPassword}\n`);
await Promise.all(opened.map((kafka) => kafka.close()));
process.stdout.write(`\n${JSON.stringify(codes.map((code, i) => [paths[i]?.[0], code]))}\n`);
