import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { Observable } from 'rxjs';
import { NEVER, concatMap, defer, from, map, mergeMap, of, take } from 'rxjs';
import type { KafkaOptions, KafkaRecord, Logger, ToTopicOptions } from '../../src/index.js';
import {
  Kafka,
  batch,
  commit,
  deadLetter,
  decode,
  drain,
  fromTopic,
  groupOffsets,
  json,
  memoryOffsets,
  openOffsets,
  processRecord,
  produceAll,
  publisher,
  readTopic,
  release,
  retryRecord,
  text,
  toTopic,
  toTransaction,
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
const { brokers, guarded, silent, nobody, folder, topic, narrow, empty, canaries, planted } = options;
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

function source(kafka: Kafka, name: string, more: object = {}): Observable<KafkaRecord> {
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
    fromTopic(kafka, topic, { group: `${group}-state`, offsets }).pipe(
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
  ['UNKNOWN_TOPIC', () => drain(source(chatty(), `${empty}-is-not-there`))],
  ['OFFSET_OUT_OF_RANGE', () => drain(readTopic(open(), topic, { from: 4_711, until: 4_712 }))],
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
