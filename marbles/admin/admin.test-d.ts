import { describe, expectTypeOf, it } from 'vitest';
import type { Admin, LogPlace } from '../../src/index.js';

declare const admin: Admin;

describe('kafka.admin', () => {
  it('wants to know where a group is to go on, and in which topics', () => {
    expectTypeOf<Parameters<Admin['resetGroupOffsets']>[1]>().toEqualTypeOf<LogPlace>();
    // @ts-expect-error -- No topics.
    void admin.resetGroupOffsets('billing', 'earliest', {});
    // @ts-expect-error -- No such place.
    void admin.offsets('orders', 'middle');
  });

  it('says that a group may have committed nothing', () => {
    expectTypeOf<Awaited<ReturnType<Admin['groupLag']>>[number]['committed']>().toEqualTypeOf<number | undefined>();
  });
});
