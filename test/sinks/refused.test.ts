import { from, of, Subject, tap } from 'rxjs';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import type { ProducerRecord } from '../../src/index.js';
import { InvalidRecordError, Kafka, OptionError, toTopic } from '../../src/index.js';
import { failure } from './outcome.js';
import { created } from './topics.js';
import { counts } from './witness.js';

const brokers = inject('brokers');
const SECRET = 'canary-in-the-payload';

const invalid: Readonly<Record<string, readonly [record: unknown, message: RegExp]>> = {
  'a record that is undefined': [undefined, /record is of type undefined/],
  'a record that is null': [null, /record is null/],
  'a record that is text': [SECRET, /record is of type string/],
  'a promise of a record': [Promise.resolve({ value: SECRET }), /the value .* is missing/],
  'no value': [{ key: SECRET }, /the value .* is missing/],
  'a number for a value': [{ value: 7 }, /the value .* is of type number/],
  'an object for a value': [{ value: { SECRET } }, /the value .* is of type object/],
  'an object for a key': [{ key: { SECRET }, value: null }, /the key .* is of type object/],
  'a value with half a surrogate pair': [{ value: `${SECRET}\ud800` }, /the value .* is no well-formed text/],
  'a key with half a surrogate pair': [{ key: `\udc00${SECRET}`, value: null }, /the key .* is no well-formed text/],
  'a header that is undefined': [
    { value: null, headers: { nothing: undefined } },
    /the header "nothing" .* is (not text|neither text nor bytes)/,
  ],
  'a header that is a number': [{ value: null, headers: [['count', 7]] }, /the header "count" .* is (not text|neither text nor bytes)/],
  'a header with half a surrogate pair': [
    { value: null, headers: { half: `${SECRET}\ud800` } },
    /the header "half" .* is (not text|neither text nor bytes)/,
  ],
  'a header named with NUL': [{ value: null, headers: { 'cut\0off': SECRET } }, /the header "cut\\u0000off" .* named with something else/],
  'headers that are null': [{ value: null, headers: null }, /headers .* neither an array of \[name, value\] nor an object/],
  'headers that are a Map': [{ value: null, headers: new Map([['a', SECRET]]) }, /headers .* neither/],
  'headers that are text': [{ value: null, headers: SECRET }, /headers .* neither/],
  'headers as other clients take them': [{ value: null, headers: [{ a: SECRET }] }, /headers .* neither/],
  'a partition below 0': [{ value: null, partition: -1 }, /no valid partition/],
  'half a partition': [{ value: null, partition: 0.5 }, /no valid partition/],
  'a partition of more than 31 bits': [{ value: null, partition: 2 ** 32 }, /no valid partition/],
  'a timestamp of 0, which the client takes for now': [{ value: null, timestamp: 0 }, /no valid timestamp/],
  'a timestamp below 0': [{ value: null, timestamp: -1 }, /no valid timestamp/],
  'a timestamp that is no number': [{ value: null, timestamp: NaN }, /no valid timestamp/],
  'a timestamp that is text': [{ value: null, timestamp: '2026' }, /no valid timestamp/],
  'a timestamp beyond every clock': [{ value: null, timestamp: 2 ** 64 }, /no valid timestamp/],
  'an empty topic': [{ value: null, topic: '' }, /has the topic "": a topic has 1 to 249/],
  'a topic with NUL': [{ value: null, topic: 'orders\0x' }, /has the topic "orders\\u0000x"/],
  'a topic that is no text': [{ value: null, topic: 7 }, /has no topic/],
};

/** What node-rdkafka's own `produce` would harm on the way. */
const harmed: typeof invalid = {
  'a header that is null': [{ value: null, headers: { nothing: null } }, /the header "nothing" .* is null/],
  'a header with NUL': [{ value: null, headers: { cut: `${SECRET}\0` } }, /the header "cut" .* is not text/],
  'a header whose bytes hold NUL': [{ value: null, headers: { cut: Buffer.from(`${SECRET}\0`) } }, /the header "cut" .* is not text/],
  'a header that is not UTF-8': [{ value: null, headers: { raw: Buffer.from([0xff, 0xfe, 0, 0x41]) } }, /the header "raw" .* is not text/],
};

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('toTopic refuses', () => {
  it.each([...Object.entries(invalid), ...Object.entries(harmed)])(
    '%s, says why without a word of the payload, and sends nothing of that input',
    async (name, [record, message]) => {
      if (name in harmed) vi.stubEnv('KAFKA_RX_PRODUCER', 'plain');
      await using kafka = new Kafka({ brokers });
      const topic = await created('refused', 4);

      const source$ = new Subject<unknown[]>();
      const good = { partition: 0, value: 'good' };

      // The first is acknowledged when the second comes, so nothing but the check keeps that from being sent.
      const failed = failure(
        source$.pipe(
          toTopic(kafka, topic, (records) => records as ProducerRecord[]),
          tap(() => {
            source$.next([good, record, good]);
          }),
        ),
      );
      source$.next([good]);
      const error = await failed;

      expect(error).toBeInstanceOf(InvalidRecordError);
      expect(error).toMatchObject({ code: 'INVALID_RECORD', retriable: false, message: expect.stringMatching(message) as string });
      expect(JSON.stringify([String(error), error])).not.toContain(SECRET);
      await kafka.close();
      expect(await counts(brokers, topic)).toEqual([1, 0, 0, 0]);
    },
  );

  it('a topic function that names none', async () => {
    await using kafka = new Kafka({ brokers });

    expect(await failure(of('x').pipe(toTopic(kafka, () => undefined as unknown as string, (value) => ({ value }))))).toBeInstanceOf(InvalidRecordError); // prettier-ignore
  });

  it('wrong arguments at once, before anything is subscribed to', async () => {
    await using kafka = new Kafka({ brokers });

    for (const topic of ['', 'two words', '..', 'x'.repeat(250), undefined as unknown as string]) {
      expect(() => toTopic(kafka, topic, (value: string) => ({ value }))).toThrow(OptionError);
    }
    expect(() => toTopic(kafka, 'out', {} as () => null)).toThrow('the third argument is a function');
    expect(() => toTopic(kafka, 'out', () => null, { results: () => 1 } as object)).toThrow('did you mean `result`?');
  });

  it('settings that the client does not take, and does not blame the brokers', async () => {
    await using kafka = new Kafka({ brokers });
    const wrong = [{ topicProperties: { acks: 1 } }, { properties: { 'no.such.setting': 1 } }, { topicProperties: { acks: 'many' } }];

    for (const options of wrong) {
      const error = await failure(from(['x']).pipe(toTopic(kafka, 'out', (value) => ({ value }), options)));
      expect(error).toMatchObject({ code: 'CLIENT_UNAVAILABLE', message: expect.stringMatching(/acks|no\.such\.setting/) as string });
    }
  });
});
