import type { Observable } from 'rxjs';
import { tap } from 'rxjs';
import { describe, expect, inject, it } from 'vitest';
import { createTopic } from '../broker/index.js';
import type { KafkaEvent, KafkaRecord, Properties } from '../src/index.js';
import { Kafka, commit, drain, fromTopic, memoryOffsets, produceAll } from '../src/index.js';
import { unique } from './support/numbered.js';
import { RawProducer } from './support/rawProducer.js';
import { until } from './support/until.js';

const brokers = inject('brokers');
const PROTOCOLS: Readonly<Record<string, Properties>> = {
  'the classic protocol': { 'heartbeat.interval.ms': 300, 'session.timeout.ms': 30_000 },
  'the protocol of KIP-848': { 'group.protocol': 'consumer' },
};

/** A member, with what happens to it and what it reads. */
function member(stream: (kafka: Kafka) => Observable<KafkaRecord>) {
  const kafka = new Kafka({ brokers });
  const events: KafkaEvent[] = [];
  const seen: string[] = [];
  void kafka.events$.forEach((event) => events.push(event));
  const running = drain(
    stream(kafka).pipe(
      tap(({ topic, offset }) => seen.push(`${topic}/${offset}`)),
      commit(),
    ),
  );
  const close = async (): Promise<void> => {
    await kafka.close();
    await running;
  };
  return {
    events,
    seen,
    close,
    /** How many partitions it has. */
    get share() {
      return events.reduce((sum, { type, ...event }) => {
        const { length } = 'partitions' in event ? event.partitions : [];
        return sum + (type === 'assigned' ? length : type === 'revoked' || type === 'lost' ? -length : 0);
      }, 0);
    },
  };
}

async function write(topic: string, values: number, partition = 0): Promise<void> {
  await using kafka = new Kafka({ brokers });
  await produceAll(
    kafka,
    Array.from({ length: values }, (_, n) => ({ value: String(n), partition })),
    { topic },
  );
}

/** Waiting for brokers is most of what they do. */
describe.runIf(inject('brokerKind') !== 'embedded').concurrent.each(Object.keys(PROTOCOLS))('fromTopic, in %s', (protocol) => {
  const own = PROTOCOLS[protocol] as Properties;

  it('reads several topics', async () => {
    const topics = [unique('one'), unique('two'), unique('three')];
    for (const topic of topics) {
      await createTopic(brokers, topic, { partitions: 1 });
      await write(topic, 3);
    }
    const one = member((kafka) => fromTopic(kafka, topics, { group: unique('several'), offsets: memoryOffsets(), properties: own }));
    await until(() => one.seen.length === 9);
    expect([...one.seen].sort()).toEqual(topics.flatMap((topic) => [0, 1, 2].map((offset) => `${topic}/${offset}`)).sort());
    await one.close();
  });

  it('reads a topic that comes to match its pattern, from the beginning, and keeps those that it has', async () => {
    const id = unique('p').replaceAll('-', '').slice(0, 12);
    const [before, after, other] = [`${id}.orders`, `${id}.invoices`, `${id}-else`];
    await createTopic(brokers, before, { partitions: 1 });
    await write(before, 2);
    const properties = { ...own, 'topic.metadata.refresh.interval.ms': 500 };
    const one = member((kafka) =>
      fromTopic(kafka, new RegExp(`^${id}[.]`), { group: unique('pattern'), offsets: memoryOffsets(), properties }),
    );
    await until(() => one.seen.length === 2);
    for (const topic of [after, other]) {
      await createTopic(brokers, topic, { partitions: 1 });
      await write(topic, 2);
    }
    await until(() => one.seen.length === 4);
    await write(before, 1);
    await until(() => one.seen.length === 5);
    expect(one.seen).toEqual([`${before}/0`, `${before}/1`, `${after}/0`, `${after}/1`, `${before}/2`]);
    await one.close();
  });

  it('starts at a time', async () => {
    const topic = unique('dated');
    // Records of 1970 would be deleted at the broker's next look.
    await createTopic(brokers, topic, { partitions: 2, config: { 'retention.ms': '-1' } });
    {
      await using producer = await RawProducer.open(brokers);
      for (const partition of [0, 1])
        await producer.write(
          topic,
          partition,
          [1, 2, 3, 4].map((hour) => ({ value: 'x', timestamp: (hour + partition) * 3_600_000 })),
        );
    }
    const one = member((kafka) =>
      fromTopic(kafka, topic, { group: unique('time'), offsets: memoryOffsets(), from: { timestamp: 3 * 3_600_000 }, properties: own }),
    );
    await until(() => one.seen.length === 5);
    expect([...one.seen].sort()).toEqual([1, 2, 2, 3, 3].map((offset) => `${topic}/${offset}`));
    await one.close();
  });

  it('shares the partitions with every member of its group', async () => {
    const topic = unique('shared');
    await createTopic(brokers, topic, { partitions: 6 });
    const options = { group: unique('share'), offsets: memoryOffsets(), properties: own, drainTimeoutMs: 100 };
    const members = [1, 2, 3].map(() => member((kafka) => fromTopic(kafka, topic, options)));
    await until(() => members.every(({ share }) => share === 2));
    await members[0]?.close();
    await until(() => members.every(({ share }, i) => share === (i === 0 ? 0 : 3)));
    await Promise.all(members.map(({ close }) => close()));
  });

  it('with a `group.instance.id` comes back within the session’s time to what it had, and no other member notices', async () => {
    const topic = unique('static');
    await createTopic(brokers, topic, { partitions: 4 });
    const options = { group: unique('static'), offsets: memoryOffsets(), drainTimeoutMs: 100 };
    const instance = (id: string) =>
      member((kafka) => fromTopic(kafka, topic, { ...options, properties: { ...own, 'group.instance.id': id } }));
    const one = instance('one');
    await until(() => one.share === 4);
    // Who gives partitions up hears of it in rounds that go on after the others have theirs; who gets them has them in the last one.
    const other = instance('other');
    await until(() => one.share === 2 && other.share === 2);
    other.events.length = 0;
    await one.close();
    const again = instance('one');
    await until(() => again.share === 2);
    for (const partition of [0, 1, 2, 3]) await write(topic, 1, partition);
    await until(() => again.seen.length === 2 && other.seen.length === 2);
    expect(other.events.filter(({ type }) => type === 'assigned' || type === 'revoked' || type === 'lost')).toEqual([]);
    await Promise.all([again.close(), other.close()]);
  });
});
