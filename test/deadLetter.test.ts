import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { firstValueFrom, from, take } from 'rxjs';
import { expect, inject, it } from 'vitest';
import {
  Kafka,
  batch,
  commit,
  deadLetter,
  decode,
  drain,
  fromTopic,
  json,
  memoryOffsets,
  openOffsets,
  processRecord,
  release,
  toTopic,
} from '../src/index.js';
import type { KafkaRecord, Properties } from '../src/index.js';
import type { LetteringOptions } from './programs/lettering.js';
import { collect } from './sinks/outcome.js';
import { created, unique } from './sinks/topics.js';
import { numberedTopic } from './support/numbered.js';
import { temporaryFolder } from './support/temporaryFolder.js';

const brokers = inject('brokers');
const real = inject('brokerKind') !== 'embedded';

it.runIf(real)('what cannot be read or done goes to another topic as it was, and is finished; the rest goes on', async () => {
  await using kafka = new Kafka({ brokers });
  const [orders, dead, invoices] = [await created('orders', 1), await created('dead', 1), await created('invoices', 1)];
  const values = ['{"total":1}', '{"total":', '{"total":-3}', '{"total":4}', '{"__proto__":{}}'];
  const headers = [['trace', Buffer.from('7')]] as const;
  await drain(from(values).pipe(toTopic(kafka, orders, (value) => ({ key: 'k', value, headers }))));

  const offsets = memoryOffsets();
  const group = unique('billing');
  const dealing = { onError: deadLetter(toTopic(kafka, dead)) };
  const invoices$ = fromTopic(kafka, orders, { group, offsets }).pipe(
    decode(json<{ total: number }>(), dealing),
    processRecord(async (order) => {
      await Promise.resolve();
      if ((order.value?.total ?? 0) < 0) throw new RangeError('less than nothing');
      return `invoice over ${order.value?.total ?? 0}`;
    }, dealing),
    toTopic(kafka, invoices),
    batch({ maxMs: 50 }),
    commit(),
  );
  const failures: unknown[] = [];
  const running = invoices$.subscribe({ error: (error: unknown) => failures.push(error) });

  const read = (topic: string, count: number): Promise<KafkaRecord[]> =>
    collect(fromTopic(kafka, topic, { group: unique('readers'), offsets: memoryOffsets() }).pipe(release(), take(count)));
  const [letters, paid] = await Promise.all([read(dead, 3), read(invoices, 2)]);
  running.unsubscribe();
  expect(failures).toEqual([]);
  expect(paid.map(({ value }) => String(value))).toEqual(['invoice over 1', 'invoice over 4']);
  const told = letters.map(
    (letter) => [String(letter.value), new Map(letter.headers.map(([name, value]) => [name, String(value)]))] as const,
  );
  expect(told.map(([value]) => value).sort()).toEqual([values[1], values[2], values[4]].sort());
  for (const [value, header] of told) {
    expect([header.get('trace'), header.get('dead-letter.topic'), header.get('dead-letter.attempt')]).toEqual(['7', orders, '1']);
    expect(header.get('dead-letter.offset')).toBe(String(values.indexOf(value)));
    expect(header.get('dead-letter.error.name')).toBe(value === values[2] ? 'RangeError' : 'DecodeError');
  }
  expect(letters.map(({ key }) => String(key))).toEqual(['k', 'k', 'k']);
});

it('killed between the acknowledgement of a dead letter and the end of its record, the record comes again', async () => {
  await using folder = await temporaryFolder();
  await using kafka = new Kafka({ brokers });
  const { topic } = await numberedTopic(brokers, { records: 2, partitions: 1 });
  const [dead, group, store] = [await created('dead', 1), unique('billing'), join(folder.path, 'offsets')];
  const properties: Properties = real ? { 'group.instance.id': 'the-only-one' } : { 'session.timeout.ms': 2_000 };

  const live = async (isKilled: boolean): Promise<unknown> => {
    const options: LetteringOptions = { brokers, topic, dead, group, store, properties, isKilled };
    const program = fork(fileURLToPath(new URL('../.build/test/programs/lettering.js', import.meta.url)), [JSON.stringify(options)]);
    const [code, signal] = (await once(program, 'exit')) as [number | null, string | null];
    await using offsets = openOffsets(store);
    const [checkpoint] = await firstValueFrom(from(offsets.list(group)), { defaultValue: [] });
    return [code ?? signal, checkpoint?.frontier, checkpoint?.runs];
  };
  expect(await live(true)).toEqual(['SIGKILL', 0, [1, 2]]);
  expect(await live(false)).toEqual([0, 2, []]);

  const letters = await collect(fromTopic(kafka, dead, { group: unique('readers'), offsets: memoryOffsets() }).pipe(release(), take(2)));
  expect(letters.map(({ headers }) => String(new Map(headers).get('dead-letter.offset')))).toEqual(['0', '0']);
});
