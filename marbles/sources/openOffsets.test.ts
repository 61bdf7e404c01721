import { describe, expect, it } from 'vitest';
import { OpenOffsets } from '../../src/sources/openOffsets.js';

/** The smallest ring there is, so that what stays open is soon overtaken. */
const TINY_RING = 16;

function opened(...offsets: number[]): OpenOffsets {
  const open = new OpenOffsets({ start: 0, maxRing: TINY_RING });
  for (const offset of offsets) open.open(offset, offset);
  return open;
}

function visited(open: OpenOffsets): number[] {
  const offsets: number[] = [];
  open.forEach((offset) => offsets.push(offset));
  return offsets;
}

describe('OpenOffsets', () => {
  it('knows how many bytes a record holds until it is closed, once', () => {
    const open = opened(5, 9);
    expect([open.close(5), open.close(5)]).toEqual([5, -1]);
    expect([open.records, open.bytes]).toEqual([1, 9]);
  });

  it('tells a record without bytes from one that is not open', () => {
    const open = opened(0);
    expect([open.close(0), open.close(0), open.close(7), open.close(-1)]).toEqual([0, -1, -1, -1]);
  });

  it('keeps records that stay open while thousands pass by', () => {
    const open = opened(0, 3);
    for (let offset = 4; offset < 5_000; offset += 1) {
      open.open(offset, 1);
      open.close(offset);
    }
    expect(visited(open)).toEqual([0, 3]);
    expect([open.first, open.close(3), open.close(0), open.first]).toEqual([0, 3, 0, 5_000]);
  });

  it('keeps all of thousands of records that are open at once', () => {
    const open = new OpenOffsets({ start: 0, maxRing: 4_096 });
    const offsets = Array.from({ length: 5_000 }, (_, offset) => offset);
    for (const offset of offsets) open.open(offset, 1);
    expect(visited(open)).toEqual(offsets);
    expect(open.records).toBe(5_000);
  });

  it('goes over a gap that is longer than any memory at once', () => {
    const open = opened(0, 2 ** 52);
    expect(visited(open)).toEqual([0, 2 ** 52]);
    open.close(0);
    expect(open.first).toBe(2 ** 52);
    expect(open.top).toBe(2 ** 52 + 1);
  });
});
