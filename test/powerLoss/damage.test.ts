import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openOffsets } from '../../src/offsets/lmdb.js';
import type { Checkpoint } from '../../src/offsets/store.js';
import type { Findings } from './journal.js';
import { GROUP, PARTITIONS } from './journal.js';
import type { Answer } from './states.js';
import { Examiner, seeded } from './states.js';

/** How many single bits are flipped in each of the stores. */
const FLIPS = Number(process.env['KAFKA_RX_BIT_FLIPS'] ?? 1_000);
const SEED = Number(process.env['KAFKA_RX_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const PAGE = 4_096;

let folder: string;
let image: string;
let data: Buffer;
let manifest: Record<string, unknown>;
/** What an undamaged store says. */
let sound: Findings;
const examiner = new Examiner();

beforeAll(async () => {
  folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kafka-rx-damage-'));
  image = join(folder, 'image');
  const directory = join(folder, 'offsets');
  const store = openOffsets(directory);
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: `topic ${partition % 3}`, partition }));
  await store.claim(GROUP, partitions);
  for (let round = 1; round <= 30; round += 1) {
    const checkpoints = partitions.map((at): Checkpoint => ({
      ...at,
      epoch: 1,
      frontier: round * 10,
      runs: Array.from({ length: at.partition === 1 ? 800 : 2 }, (_, i) => round * 10 + 1 + 3 * i),
      metadata: at.partition === 2 ? 'm'.repeat(5_000) : 'short',
    }));
    await store.write(GROUP, checkpoints, (_, txn) => {
      for (const { partition } of partitions) txn.table<[number, string]>('last write').put(`${partition}`, [round, 's'.repeat(700)]);
    });
  }
  await store.close();
  data = readFileSync(join(directory, 'data.mdb'));
  manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as Record<string, unknown>;
  sound = ((await open(data, 'closed')) as { findings: Findings }).findings;
  expect(sound.checkpoints).toHaveLength(PARTITIONS);
  // A store that was killed is as good as one that was closed.
  expect(await open(data, 'killed')).toEqual({ findings: sound });
});

afterAll(() => {
  examiner.end();
  rmSync(folder, { recursive: true, force: true });
});

type State = 'closed' | 'killed';

/** What a store says that was closed, or whose owner was killed, and that then got these bytes. */
async function open(bytes: Uint8Array, state: State): Promise<Answer> {
  rmSync(image, { recursive: true, force: true });
  mkdirSync(image, { mode: 0o700 });
  writeFileSync(join(image, 'data.mdb'), bytes);
  const { checksum, ...open } = manifest;
  writeFileSync(join(image, 'manifest.json'), JSON.stringify(state === 'closed' ? { ...open, checksum } : { ...open, state: 'open' }));
  return examiner.examine(image);
}

const NAMED = /^Store(Corrupt|Lost|Format|Unavailable)Error: /;

/** What is wrong with an answer. Right is what was written, or an error with a name. */
function wrong(answer: Answer): string | undefined {
  if ('died' in answer) return answer.died;
  if ('error' in answer) return NAMED.test(answer.error) ? undefined : answer.error;
  const said = ({ checkpoints, state, epochs }: Findings): string => JSON.stringify([checkpoints, epochs, state]);
  return said(answer.findings) === said(sound)
    ? undefined
    : `silently wrong: ${said(answer.findings)} instead of ${said(sound)}`.slice(0, 20_000);
}

async function all(name: string, state: State, damages: Iterable<readonly [where: string, bytes: Uint8Array]>): Promise<string[]> {
  const faults: string[] = [];
  let refused = 0;
  let states = 0;
  for (const [where, bytes] of damages) {
    const answer = await open(bytes, state);
    const fault = wrong(answer);
    states += 1;
    if ('error' in answer) refused += 1;
    if (fault !== undefined) faults.push(`${where}: ${fault}`);
  }
  process.stdout.write(
    `\n${name} in a store that was ${state}: ${states} states, ${refused} refused by name, ${states - refused - faults.length} sound, ${faults.length} wrong, seed ${SEED}\n`,
  );
  return faults;
}

function changed(change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(data);
  change(bytes);
  return bytes;
}

/** The pages in use, and one more. */
const pages = (): number[] => Array.from({ length: Math.max(lastPage(0), lastPage(1)) + 2 }, (_, page) => page);
const lastPage = (meta: number): number => Number(data.readBigUInt64LE(meta * PAGE + 144));

describe.each<State>(['closed', 'killed'])('a store that was %s and then damaged crashes nothing and says nothing wrong', (state) => {
  it('whatever page of it is zeros, ones, noise, or another page', { timeout: 300_000 }, async () => {
    const dice = seeded(SEED);
    function* damages(): Iterable<readonly [string, Buffer]> {
      for (const page of pages()) {
        const at = page * PAGE;
        const other = dice(pages().length) * PAGE;
        yield [`zeros in page ${page}`, changed((bytes) => bytes.fill(0, at, at + PAGE))];
        yield [`ones in page ${page}`, changed((bytes) => bytes.fill(0xff, at, at + PAGE))];
        yield [`noise in page ${page}`, changed((bytes) => bytes.fill(randomBytes(PAGE), at, at + PAGE))];
        yield [`page ${other / PAGE} in the place of page ${page}`, changed((bytes) => bytes.copy(bytes, at, other, other + PAGE))];
        yield [`half of page ${page}`, changed((bytes) => bytes.fill(0, at + PAGE / 2, at + PAGE))];
      }
    }
    expect(await all('pages', state, damages())).toEqual([]);
  });

  it('whatever bit of it is flipped', { timeout: 600_000 }, async () => {
    const dice = seeded(SEED);
    function* damages(): Iterable<readonly [string, Buffer]> {
      for (let i = 0; i < FLIPS; i += 1) {
        // Every bit of the meta pages decides something; of the others some.
        const byte =
          i % 4 === 0 ? dice(2) * PAGE + dice(168) : i % 4 === 1 ? dice(pages().length) * PAGE + dice(100) : dice(pages().length * PAGE);
        const bit = dice(8);
        yield [`bit ${bit} of byte ${byte}`, changed((bytes) => (bytes[byte] = (bytes[byte] as number) ^ (1 << bit)))];
      }
    }
    expect(await all('flipped bits', state, damages())).toEqual([]);
  });

  it('wherever it is cut off', { timeout: 300_000 }, async () => {
    function* damages(): Iterable<readonly [string, Buffer]> {
      for (const page of pages())
        for (const bytes of [0, 1, 100, PAGE / 2]) yield [`cut off at ${page * PAGE + bytes}`, data.subarray(0, page * PAGE + bytes)];
    }
    expect(await all('cuts', state, damages())).toEqual([]);
  });
});

describe('the manifest beside the data', () => {
  it('may have any bit flipped', { timeout: 300_000 }, async () => {
    const text = Buffer.from(JSON.stringify(manifest));
    const faults: string[] = [];
    for (let bit = 0; bit < text.length * 8; bit += 3) {
      const bytes = Buffer.from(text);
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      rmSync(image, { recursive: true, force: true });
      mkdirSync(image, { mode: 0o700 });
      writeFileSync(join(image, 'data.mdb'), data);
      writeFileSync(join(image, 'manifest.json'), bytes);
      const fault = wrong(await examiner.examine(image));
      if (fault !== undefined) faults.push(`${bytes.toString()}: ${fault}`);
    }
    expect(faults).toEqual([]);
  });
});
