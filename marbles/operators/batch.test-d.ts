import type { Observable } from 'rxjs';
import { map } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import { batch, commit } from '../../src/index.js';
import type { KafkaRecord } from '../../src/index.js';

declare const topic$: Observable<KafkaRecord>;

describe('batch', () => {
  it('gives arrays, which commit takes', () => {
    expectTypeOf(topic$.pipe(batch())).toEqualTypeOf<Observable<KafkaRecord[]>>();
    expectTypeOf(topic$.pipe(batch({ maxRecords: 10 }), commit())).toEqualTypeOf<Observable<KafkaRecord[]>>();
  });

  it('does not compile where the position was lost', () => {
    void topic$.pipe(
      // @ts-expect-error a bare value knows no position
      map((r) => r.value),
      batch(),
    );
  });
});
