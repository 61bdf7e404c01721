/**
 * `npm run bench`: contenders side by side, on one broker, in one run.
 *
 * Each reads the same topic in a process of its own; rounds are interleaved, so that a machine that gets slower is so to all; what counts
 * are medians, and their ratio to the first contender. `npm run bench -- --records 1000000 --bytes 100 --rounds 3`.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { arch, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { lastValueFrom, range } from 'rxjs';
import { createTopic, startBroker } from '../broker/index.js';
import { Kafka, toTopic } from '../src/index.js';
import type { Measured, Task } from './measured.js';
import type { Row } from './table.js';
import { summarize, table } from './table.js';

const CONTENDERS = {
  'node-rdkafka': 'nodeRdkafka',
  'kafka-rx': 'kafkaRx',
  'kafka-rx without commit': 'kafkaRxReleased',
  'kafka-rx without its native reader': 'kafkaRxPlain',
} as const;
const PARTITIONS = 4;

const { values: options } = parseArgs({
  options: {
    records: { type: 'string', default: '500000' },
    bytes: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string', default: 'bench/results/consume.json' },
  },
});
const [records, bytes, rounds] = [Number(options.records), Number(options.bytes), Number(options.rounds)];

const broker = await startBroker();
const folder = await mkdtemp(join(tmpdir(), 'kafka-rx-bench-'));
try {
  const topic = `bench-${Date.now()}`;
  await createTopic(broker.brokers, topic, { partitions: PARTITIONS });
  await fill(topic);
  const runs = new Map<string, Measured[]>(Object.keys(CONTENDERS).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, program] of Object.entries(CONTENDERS)) {
      const own = join(folder, `${name}-${round}`);
      await mkdir(own);
      const measured = await run(program, { brokers: broker.brokers, topic, records, group: `${name}-${round}-${topic}`, folder: own });
      runs.get(name)?.push(measured);
      process.stdout.write(
        `round ${round + 1}: ${name} ${Math.round(measured.records / measured.seconds).toLocaleString('en')} records/s\n`,
      );
    }
  }
  const rows: Row[] = summarize(runs);
  const setting = {
    records,
    bytes,
    rounds,
    partitions: PARTITIONS,
    broker: broker.description,
    node: process.version,
    machine: `${cpus().length} × ${cpus()[0]?.model ?? arch()}`,
  };
  process.stdout.write(
    `\n${records} records of ${bytes} bytes, ${rounds} rounds, ${setting.broker}, Node ${setting.node}, ${setting.machine}\n\n${table(rows)}\n`,
  );
  await mkdir(join(options.json, '..'), { recursive: true });
  await writeFile(options.json, `${JSON.stringify({ setting, rows, runs: Object.fromEntries(runs) }, null, 2)}\n`);
} finally {
  await broker.close();
  await rm(folder, { recursive: true, force: true });
}

async function fill(topic: string): Promise<void> {
  await using kafka = new Kafka({ brokers: broker.brokers });
  const value = Buffer.alloc(bytes, 'x');
  const to = (n: number) => ({ value, key: String(n), partition: n % PARTITIONS });
  await lastValueFrom(range(records).pipe(toTopic(kafka, topic, to, { properties: { 'linger.ms': 20 } })), { defaultValue: 0 });
}

async function run(program: string, task: Task): Promise<Measured> {
  const child = fork(fileURLToPath(new URL(`./contenders/${program}.js`, import.meta.url)), [JSON.stringify(task)]);
  const ended = once(child, 'exit') as Promise<[number | null]>;
  let measured: Measured | undefined;
  child.on('message', (message) => {
    measured = message as Measured;
  });
  const [code] = await ended;
  if (code !== 0 || measured === undefined)
    throw new Error(`${program} ended with code ${code} and ${measured === undefined ? 'no' : 'a'} figure`);
  return measured;
}
