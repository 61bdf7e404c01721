import type { Observable } from 'rxjs';
import { map } from 'rxjs';
import { describe, it } from 'vitest';
import { deadLetter, decode, json, processRecord, toTopic } from '../../src/index.js';
import type { Kafka, KafkaRecord } from '../../src/index.js';

declare const kafka: Kafka;
declare const topic$: Observable<KafkaRecord>;
declare function charge(total: number): Promise<void>;

describe('deadLetter', () => {
  it('stands where a record may fail, whatever its value is by then', () => {
    void topic$.pipe(
      decode(json<number>(), { onError: deadLetter(toTopic(kafka, 'dead')) }),
      processRecord(({ value }) => charge(value ?? 0), { onError: deadLetter(toTopic(kafka, 'dead')) }),
    );
  });

  it('takes a sink that says what to write', () => {
    void topic$.pipe(
      decode(json<number>(), {
        onError: deadLetter(
          toTopic(
            kafka,
            ({ topic }) => `${topic}.dead`,
            ({ key, value, headers }) => ({ key, value, headers }),
          ),
        ),
      }),
    );
  });

  it('takes no sink that passes something else on', () => {
    // @ts-expect-error the position is lost
    deadLetter(map(({ value }) => value));
  });
});
