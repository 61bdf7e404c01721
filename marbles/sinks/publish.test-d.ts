import type { Observable } from 'rxjs';
import { of } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import { commit, publish } from '../../src/index.js';
import type { KafkaRecord, PublishOutcome, Published, Publisher } from '../../src/index.js';

declare const metrics: Publisher;
declare const topic$: Observable<KafkaRecord>;
declare const totals$: Observable<KafkaRecord<number, string>>;

describe('publish', () => {
  it('gives each input with what became of it', () => {
    expectTypeOf(topic$.pipe(publish(metrics))).toEqualTypeOf<Observable<Published<KafkaRecord>>>();
    expectTypeOf(of(1).pipe(publish(metrics, (n) => ({ value: String(n) })))).toEqualTypeOf<Observable<Published<number>>>();
  });

  it('gives the input itself, and its position, where `result` does', () => {
    const sent$ = totals$.pipe(
      publish(metrics, ({ key, value }) => ({ key, value: String(value) }), {
        result: (total, outcome) => {
          expectTypeOf(outcome).toEqualTypeOf<PublishOutcome>();
          return total;
        },
      }),
    );
    expectTypeOf(sent$.pipe(commit())).toEqualTypeOf<typeof totals$>();
  });

  it('has lost the position otherwise, and asks what to send where the input does not say', () => {
    // @ts-expect-error an outcome is no record
    void topic$.pipe(publish(metrics), commit());
    // @ts-expect-error a number is not sent by itself
    void totals$.pipe(publish(metrics));
  });
});
