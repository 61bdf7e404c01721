import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asyncScheduler } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { SpillError } from '../../src/index.js';
import { DiskQueue } from '../../src/sinks/diskQueue.js';
import type { Spilling } from '../../src/sinks/diskQueue.js';
import { frameBytes } from '../../src/sinks/frame.js';
import type { Outgoing } from '../../src/sinks/outgoing.js';
import { HEADER_BYTES } from '../../src/sinks/segment.js';
import type { SpillDirectory } from '../../src/sinks/spillDirectory.js';
import { unmountable } from '../powerLoss/mounted.js';
import { temporaryFolder } from '../support/temporaryFolder.js';
import { compiledSpillProgram } from './compiledProgram.js';
import { left, numbered, openSpill, readAll, written } from './spilling.js';

/** How many damaged directories are tried; more by `KAFKA_RX_MUTATIONS`. */
const MUTATIONS = Number(process.env['KAFKA_RX_MUTATIONS'] ?? 300);

const segments = (path: string): string[] => readdirSync(path).filter((name) => name.endsWith('.segment'));

/** What becomes of a message of a publisher that is to go to this directory. */
function queued(spill: SpillDirectory, spillPath: string, record: Outgoing): Promise<string> {
  return new Promise((resolve) => {
    const queue = new DiskQueue<Spilling>(
      spill,
      { maxBackoffMs: 1, spillPath, scheduler: asyncScheduler },
      {
        onDisk: () => {
          resolve('on disk');
        },
        onLost: (_, { reason }) => {
          resolve(reason);
        },
        onReturned: () => undefined,
        onNotReturned: () => undefined,
        onWritten: () => undefined,
      },
    );
    queue.add({ record, bytes: frameBytes(record), stored: undefined });
    queue.write();
  });
}

describe('a spill directory', () => {
  it('gives back what was written, byte by byte and in order, also to the next owner, and removes what is done', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'spill');
    const headersOfAllKinds = [
      ['a', Buffer.from('ä')],
      ['a', Buffer.alloc(0)],
      ['é', null],
      ['raw', Buffer.from([0, 255])],
    ] as const;
    const records = [
      ...numbered(0, 500),
      { topic: 't', key: null, value: null, partition: 3, timestamp: 5, headers: headersOfAllKinds },
      {
        topic: 'u',
        key: Buffer.alloc(1).subarray(0, 0),
        value: Buffer.alloc(1).subarray(0, 0),
        partition: null,
        timestamp: undefined,
        headers: [],
      },
      { topic: 't', key: Buffer.from([0, 255]), value: Buffer.alloc(300_000, 7), partition: null, timestamp: 1, headers: [] },
      ...numbered(500, 700),
    ];
    const first = await openSpill(path);
    for (let i = 0; i < records.length; i += 100) await written(first, records.slice(i, i + 100));
    const read = await readAll(first);
    expect(read.map(({ record }) => record)).toEqual(records);
    for (const stored of read.slice(0, 400)) first.done(stored);
    expect(first.backlog.records).toBe(records.length - 400);
    await first.close();

    const second = await openSpill(path);
    expect(second.backlog.records).toBe(records.length - 400);
    const rest = await readAll(second);
    expect(rest.map(({ record }) => record)).toEqual(records.slice(400));
    // Whatever the order in which they arrive.
    for (const stored of rest.toReversed()) second.done(stored);
    expect(second.backlog.records).toBe(0);
    await second.close();
    expect(segments(path)).toEqual([]);
  });

  it('is private, and belongs to one owner at a time, who is named', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'spill');
    const spill = await openSpill(path);
    await written(spill, numbered(0, 1));
    expect(statSync(path).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(path)) expect(statSync(join(path, name)).mode & 0o077, name).toBe(0);
    await expect(openSpill(path)).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      message: expect.stringMatching(/^the spill directory .* is in use by this process itself/) as string,
    });
    await spill.close();
    await (await openSpill(path)).close();
  });

  it('says at once why it cannot be used: no parent, a file in its place', async () => {
    await using folder = await temporaryFolder();
    writeFileSync(join(folder.path, 'file'), '');
    await expect(openSpill(join(folder.path, 'no', 'spill'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: /parent/ });
    await expect(openSpill(join(folder.path, 'file'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: /not a directory/ });
  });

  it('keeps its quota, and has room again when what was written is done', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'spill');
    const spill = await openSpill(path, { quotaBytes: 64 * 1_024 });
    let count = 0;
    while (spill.room > 1_000) await written(spill, numbered(count, (count += 10)));
    const used = segments(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
    expect(spill.backlog.bytes).toBe(used);
    expect(used).toBeLessThanOrEqual(64 * 1_024);
    expect(segments(path).length).toBeGreaterThan(4);
    const read = await readAll(spill);
    for (const stored of read.slice(0, read.length / 2)) spill.done(stored);
    expect(spill.room).toBeGreaterThan(20 * 1_024);
    await spill.close();
  });

  it.each([
    ['fits', 0, 'on disk'],
    ['is one byte too long', 1, 'quota'],
  ])('takes what %s, to the byte, and never holds more than its quota', async (_, more, expected) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'spill');
    const [record] = numbered(0, 1) as [Outgoing];
    const quotaBytes = HEADER_BYTES + frameBytes(record);
    const spill = await openSpill(path, { quotaBytes });
    expect(await queued(spill, path, { ...record, value: Buffer.alloc((record.value as Buffer).length + more) })).toBe(expected);
    const used = segments(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
    expect(used).toBe(more === 0 ? quotaBytes : 0);
    await spill.close();
  });

  it('fills a file to its size, to the byte, and then begins the next', async () => {
    await using folder = await temporaryFolder();
    const [a, b] = numbered(0, 2) as [Outgoing, Outgoing];
    const both = HEADER_BYTES + frameBytes(a) + frameBytes(b);
    const files = [both - 1, both, both + 1].map(async (segmentBytes) => {
      const path = join(folder.path, String(segmentBytes));
      // An eighth of the quota is the size of a file.
      const spill = await openSpill(path, { quotaBytes: 8 * segmentBytes });
      await written(spill, [a]);
      await written(spill, [b]);
      expect((await readAll(spill)).map(left)).toEqual([0, 1]);
      const count = segments(path).length;
      await spill.close();
      return count;
    });
    expect(await Promise.all(files)).toEqual([2, 1, 1]);
  });

  it('gives up whole files that are too old, and nothing else', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'spill');
    let now = 1_000;
    const spill = await openSpill(path, { quotaBytes: 8_000, now: () => now });
    for (let i = 0; i < 50; i += 1) {
      await written(spill, numbered(i, i + 1));
      now += 1;
    }
    const gone = spill.expire(1_020);
    expect(gone).toBeGreaterThan(0);
    expect(gone).toBeLessThanOrEqual(20);
    expect((await readAll(spill)).map(left)).toEqual(Array.from({ length: 50 - gone }, (_, i) => i + gone));
    await spill.close();
  });
});

describe('fault 41: a spill directory that is not as it was left', () => {
  it('is cut at every byte of its end, and gives back every record that is whole', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'spill');
    const spill = await openSpill(path);
    const ends = [24];
    for (let i = 0; i < 4; i += 1) {
      await written(spill, numbered(i, i + 1));
      ends.push(spill.backlog.bytes);
    }
    await spill.close();
    const whole = readFileSync(join(path, '1.segment'));
    for (let size = 0; size <= whole.length; size += 1) {
      const torn = join(folder.path, `torn-${size}`);
      mkdirSync(torn);
      writeFileSync(join(torn, '1.segment'), whole.subarray(0, size));
      const damage: SpillError[] = [];
      const opened = await openSpill(torn, { onDamage: (error) => damage.push(error) });
      const found = (await readAll(opened)).map(left);
      expect(found, `of ${size} bytes`).toEqual([0, 1, 2, 3].slice(0, Math.max(0, ends.filter((end) => end <= size).length - 1)));
      // What a crash leaves is nobody's mistake.
      expect(damage).toEqual([]);
      await opened.close();
    }
  });

  it('gives back, under any damage, what is not damaged, and never what was not written', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'spill');
    const spill = await openSpill(path, { quotaBytes: 16_000 });
    for (let i = 0; i < 60; i += 3) await written(spill, numbered(i, i + 3));
    await spill.close();
    const files = segments(path).map((name) => ({ name, bytes: readFileSync(join(path, name)) }));
    expect(files.length).toBeGreaterThan(2);
    let lost = 0;
    for (let i = 0; i < MUTATIONS; i += 1) {
      const bad = join(folder.path, `bad-${i}`);
      mkdirSync(bad);
      const hit = Math.floor(Math.random() * files.length);
      const touched = new Set<number>();
      files.forEach(({ name, bytes }, index) => {
        const copy = Buffer.from(bytes);
        if (index === hit) {
          const at = Math.floor(Math.random() * copy.length);
          const many = [1, 1, 1, 8, 300][i % 5] as number;
          for (let b = at; b < Math.min(copy.length, at + many); b += 1) {
            copy[b] = (copy[b] as number) ^ (1 + Math.floor(Math.random() * 255));
            touched.add(b);
          }
        }
        writeFileSync(join(bad, name), copy);
      });
      const opened = await openSpill(bad);
      const found = (await readAll(opened)).map(left);
      // A frame is 100 bytes or so: what was not touched came back, in order.
      expect(found, `mutation ${i}`).toEqual([...new Set(found)].toSorted((a, b) => a - b));
      expect(found.every((n) => n >= 0 && n < 60)).toBe(true);
      const frame = (files[hit] as { bytes: Buffer }).bytes.length / 10;
      expect(60 - found.length, `mutation ${i}`).toBeLessThanOrEqual(Math.ceil(touched.size / Math.min(frame, 90)) + 2);
      lost += 60 - found.length;
      await opened.close();
    }
    expect(lost).toBeGreaterThan(MUTATIONS / 2);
  });

  it('passes over what is no segment: a link, another version, a huge length, something else; and puts it aside', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'spill');
    const spill = await openSpill(path);
    await written(spill, numbered(0, 3));
    await spill.close();
    writeFileSync(join(path, '2.segment'), 'something else, longer than a header is');
    symlinkSync('/etc/passwd', join(path, '3.segment'));
    mkdirSync(join(path, '4.segment'));
    const huge = readFileSync(join(path, '1.segment'));
    huge.writeUInt32BE(0xffff_fff0, 24 + 4);
    writeFileSync(join(path, '5.segment'), huge);
    copyFileSync(join(path, '1.segment'), join(path, '7.segment'));
    const damage: string[] = [];
    const opened = await openSpill(path, { onDamage: ({ message }) => damage.push(message) });
    // The copy is a duplicate like any other; of the huge one what follows it is found.
    expect((await readAll(opened)).map(left)).toEqual([0, 1, 2, 1, 2, 0, 1, 2]);
    expect(damage).toHaveLength(4);
    expect(readdirSync(path).filter((name) => name.endsWith('.damaged'))).toEqual(['2', '3', '4'].map((n) => `${n}.segment.damaged`));
    await opened.close();
  });
});

describe.skipIf(unmountable)('fault 35 and 39: a disk that', () => {
  const mounted = (folder: string, size: string, script: string): Record<string, unknown> =>
    JSON.parse(
      execFileSync(
        'unshare',
        [
          '-rm',
          'sh',
          '-c',
          `mount -t tmpfs -o size=${size} none "$1" && ${script}`,
          'sh',
          folder,
          process.execPath,
          compiledSpillProgram('fullDisk'),
        ],
        {
          encoding: 'utf8',
        },
      ),
    ) as Record<string, unknown>;

  it('is full takes nothing, says so, and keeps what it has; with room again it takes more', async () => {
    await using folder = await temporaryFolder();
    const found = mounted(folder.path, '1m', 'exec "$2" "$3" "$1" fill');
    expect(found).toMatchObject({ refusals: expect.stringMatching(/ENOSPC/) as string, tookMore: true, missing: 0, invented: 0 });
    expect(found['kept']).toBeGreaterThan(100);
  });

  it('is read-only is an error at once', async () => {
    await using folder = await temporaryFolder();
    expect(mounted(folder.path, '1m', 'mount -o remount,ro "$1" && exec "$2" "$3" "$1" open')).toEqual({
      error: expect.stringMatching(/EROFS/) as string,
      code: 'STORE_UNAVAILABLE',
    });
  });
});
