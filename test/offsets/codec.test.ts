import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CheckpointBody } from '../../src/offsets/codec.js';
import { CodecError, decodeCheckpoint, encodeCheckpoint } from '../../src/offsets/codec.js';
import { roomForCheckpoints } from '../../src/offsets/room.js';

const MAX = Number.MAX_SAFE_INTEGER;
const offset = fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.integer({ min: MAX - 300, max: MAX }));

/** Bounds in ascending order are the frontier and, behind it, the runs. */
const checkpoint: fc.Arbitrary<CheckpointBody> = fc
  .record({
    epoch: offset,
    bounds: fc.uniqueArray(offset, { minLength: 1, maxLength: 61, size: 'max' }),
    metadata: fc.string({ unit: 'binary' }),
    fingerprint: fc.option(
      fc.record({ offset: fc.maxSafeNat(), timestamp: fc.integer({ min: -1 }), crc: fc.nat(2 ** 31 - 1).map((n) => 2 * n) }),
    ),
    retries: fc.array(
      fc.record({ after: fc.maxSafeNat(), name: fc.string({ unit: 'binary' }), failed: fc.maxSafeNat(), due: fc.maxSafeNat() }),
    ),
  })
  .map(({ epoch, bounds, metadata, fingerprint, retries }) => {
    const [frontier = 0, ...runs] = bounds.sort((a, b) => a - b);
    const body = { epoch, frontier, runs: runs.slice(0, 2 * Math.floor(runs.length / 2)), metadata };
    const noted = retries.map(({ after, ...rest }) => ({ ...rest, offset: frontier + (after % (MAX - frontier + 1)) }));
    return { ...body, ...(fingerprint !== null && { fingerprint }), ...(noted.length > 0 && { retries: noted }) };
  });

const example: CheckpointBody = { epoch: 3, frontier: 1_000, runs: [1_005, 1_006, 1_200, 1_500], metadata: 'größer' };
const retrying: CheckpointBody = {
  ...example,
  retries: [
    { offset: 1_010, name: 'löschen', failed: 2, due: 1_700_000_000_000 },
    { offset: 1_000, name: '', failed: 1, due: 0 },
  ],
};

function fault(bytes: Buffer): string {
  try {
    return `read as ${JSON.stringify(decodeCheckpoint(bytes))}`;
  } catch (error) {
    if (error instanceof CodecError) return error.kind;
    throw error;
  }
}

/** The bytes with a checksum that fits. */
function sealed(body: Uint8Array): Buffer {
  const seal = Buffer.alloc(4);
  seal.writeUInt32BE(crc32(body));
  return Buffer.concat([body, seal]);
}

describe('the binary form of a checkpoint', () => {
  it('gives back what was put in', () => {
    fc.assert(
      fc.property(checkpoint, (body) => {
        expect(decodeCheckpoint(encodeCheckpoint(body))).toEqual(body);
      }),
      { numRuns: 1_000 },
    );
  });

  it('holds the largest offset, no runs, thousands of runs, and metadata of any length', () => {
    const bodies: CheckpointBody[] = [
      { epoch: 0, frontier: 0, runs: [], metadata: '' },
      { epoch: MAX, frontier: MAX, runs: [], metadata: '' },
      { epoch: 1, frontier: 0, runs: [MAX - 1, MAX], metadata: '\0\u{1F600}\uFEFF' },
      { epoch: 1, frontier: 7, runs: Array.from({ length: 20_000 }, (_, i) => 8 + 3 * i), metadata: 'm'.repeat(100_000) },
    ];
    for (const body of bodies) expect(decodeCheckpoint(encodeCheckpoint(body))).toEqual(body);
  });

  it('is on disk for good: these bytes stay readable', () => {
    const golden: [CheckpointBody, string][] = [
      [example, '0103e807020501c201ac02086772c3b6c39f6572a1ef7f81'],
      [{ epoch: 1, frontier: MAX, runs: [], metadata: '' }, '0101ffffffffffffff0f0000c672efc5'],
      [retrying, '0203e807020501c201ac02086772c3b6c39f6572020a0280d095ffbc31086cc3b6736368656e0001000043f25f84'],
    ];
    for (const [body, hex] of golden) {
      expect(encodeCheckpoint(body).toString('hex')).toBe(hex);
      expect(decodeCheckpoint(Buffer.from(hex, 'hex'))).toEqual(body);
    }
  });

  it('takes two bytes for a run of a few records at a distance of a few, wherever it lies', () => {
    const runs = (count: number): number[] => Array.from({ length: count }, (_, i) => [1e15 + 8 * i, 1e15 + 8 * i + 5]).flat();
    const size = (count: number): number => encodeCheckpoint({ epoch: 1, frontier: 1e15 - 3, runs: runs(count), metadata: '' }).length;
    // The number of runs itself takes a second byte.
    expect(size(1_000) - size(100)).toBe(900 * 2 + 1);
  });

  it('takes at most 16 bytes for any run, 24 for a fingerprint, and 32 and its name for a retry', () => {
    fc.assert(
      fc.property(checkpoint, (body) => {
        const { length } = encodeCheckpoint(body);
        const fingerprint = body.fingerprint === undefined ? 0 : 24;
        const retries = (body.retries ?? []).reduce((bytes, { name }) => bytes + 32 + Buffer.byteLength(name), 8);
        expect(length).toBeLessThanOrEqual(33 + 8 * body.runs.length + Buffer.byteLength(body.metadata) + fingerprint + retries);
      }),
    );
  });

  it('never takes more bytes than room is made for', () => {
    const many = Array.from({ length: 5_000 }, (_, i) => ({ offset: MAX - i, name: '帳'.repeat(i % 100), failed: MAX, due: MAX }));
    const bodies = [...fc.sample(checkpoint, 200), { ...example, runs: [], retries: many }];
    for (const body of bodies) {
      const { bytes } = roomForCheckpoints([{ topic: 'orders', partition: 0, ...body }]);
      expect(encodeCheckpoint(body).length).toBeLessThanOrEqual(bytes);
    }
  });

  it('refuses to write what is no checkpoint', () => {
    const wrong: Partial<CheckpointBody>[] = [
      { frontier: -1 },
      { frontier: 2 ** 53 },
      { frontier: 1.5 },
      { frontier: NaN },
      { epoch: -1 },
      { runs: [1_005] },
      { runs: [999, 1_001] },
      { runs: [1_006, 1_005] },
      { runs: [1_200, 1_300, 1_100, 1_150] },
      { runs: [1_200, 2 ** 53] },
      { retries: [{ offset: 999, name: '', failed: 1, due: 0 }] },
      { retries: [{ offset: 2 ** 53, name: '', failed: 1, due: 0 }] },
      { retries: [{ offset: 1_000, name: '', failed: 1, due: 0.5 }] },
      { retries: [{ offset: 1_000, name: '', failed: -1, due: 0 }] },
    ];
    for (const part of wrong) expect(() => encodeCheckpoint({ ...example, ...part }), JSON.stringify(part)).toThrow(RangeError);
  });

  it.each([
    ['', example],
    [' with retries', retrying],
  ])('is refused as corrupt with any one bit flipped%s', (_which, body) => {
    const bytes = encodeCheckpoint(body);
    for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(fault(flipped), `bit ${bit}`).toBe('corrupt');
    }
  });

  it.each([
    ['', example],
    [' with retries', retrying],
  ])('is refused as corrupt when it was cut off or has grown%s', (_which, body) => {
    const bytes = encodeCheckpoint(body);
    for (let length = 0; length < bytes.length; length += 1) expect(fault(bytes.subarray(0, length)), `${length} bytes`).toBe('corrupt');
    expect(fault(Buffer.concat([bytes, Buffer.of(0)]))).toBe('corrupt');
  });

  it.each([
    ['', example],
    [' with retries', retrying],
  ])('is refused as corrupt when it is cut off or has grown and the checksum fits all the same%s', (_which, body) => {
    const bytes = encodeCheckpoint(body).subarray(0, -4);
    for (let length = 1; length < bytes.length; length += 1)
      expect(fault(sealed(bytes.subarray(0, length))), `${length} bytes`).toBe('corrupt');
    expect(fault(sealed(Buffer.concat([bytes, Buffer.of(0)])))).toBe('corrupt');
  });

  it('is refused as corrupt when a number in it is no offset and the checksum fits all the same', () => {
    const tooLarge = 'ffffffffffffff1f';
    const largest = 'ffffffffffffff0f';
    for (const hex of [`0101${tooLarge}0000`, `0101${largest}01010100`, `0201${largest}00000101010000`, `0101${'ff'.repeat(30)}`])
      expect(fault(sealed(Buffer.from(hex, 'hex'))), hex).toBe('corrupt');
  });

  it('never reads noise as a checkpoint', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(fault(Buffer.from(noise))).toBe('corrupt');
      }),
    );
  });

  it('reads what it was given or refuses, whatever bytes the checksum fits', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 60 }), (version, noise) => {
        const bytes = sealed(Buffer.concat([Buffer.of(version), noise]));
        if (['corrupt', 'version'].includes(fault(bytes))) return;
        const { frontier, runs, retries = [] } = decodeCheckpoint(bytes);
        for (const number of [frontier, ...runs, ...retries.map(({ offset: at }) => at)]) expect(number).toBeLessThanOrEqual(MAX);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is refused as of another version, if it is whole', () => {
    const newer = encodeCheckpoint(example).subarray(0, -4);
    newer[0] = 3;
    expect(fault(sealed(newer))).toBe('version');
    expect(fault(sealed(Buffer.from('03 and then something else')))).toBe('version');
    expect(() => decodeCheckpoint(sealed(newer))).toThrow('format 3');
  });
});
