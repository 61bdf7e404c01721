import type { Observable } from 'rxjs';
import { bufferCount, map } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import { release } from '../../src/index.js';
import type { KafkaRecord } from '../../src/index.js';

declare const topic$: Observable<KafkaRecord>;

describe('release', () => {
  it('does not compile where the position was lost', () => {
    void topic$.pipe(
      // @ts-expect-error a bare value knows no position
      map((r) => r.value),
      release(),
    );
  });

  it('takes records and arrays of them, and gives the same type back', () => {
    expectTypeOf(topic$.pipe(release())).toEqualTypeOf<Observable<KafkaRecord>>();
    expectTypeOf(topic$.pipe(bufferCount(10), release())).toEqualTypeOf<Observable<KafkaRecord[]>>();
  });
});
