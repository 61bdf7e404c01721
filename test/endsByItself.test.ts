import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import type { Way } from './programs/endsByItself.js';
import { created } from './sinks/topics.js';
import { numberedTopic } from './support/numbered.js';
import { temporaryFolder } from './support/temporaryFolder.js';

const brokers = inject('brokers');
const real = inject('brokerKind') !== 'embedded';

describe.concurrent('nothing keeps a process alive that has used', () => {
  let from: string;
  let to: string;
  beforeAll(async () => {
    ({ topic: from } = await numberedTopic(brokers, { records: 50 }));
    to = await created('ends', 1);
  });

  async function ends(way: Way): Promise<void> {
    await using folder = await temporaryFolder();
    const program = fileURLToPath(new URL('../.build/test/programs/endsByItself.js', import.meta.url));
    const child = spawn(process.execPath, [program, way, brokers.join(), from, to, folder.path]);
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit') as Promise<[number]>]);
    expect({ said, code }).toEqual({ said: '', code: 0 });
  }

  it.each<Way>([
    'a group that is closed',
    'a group that is left',
    'a group that is left with records in flight',
    'chosen partitions that are closed',
    'chosen partitions that are left',
    'a stream for each partition that is closed',
    'a stream for each partition that is left',
    'a source that was moved',
    'statistics that somebody listens to',
    'statistics that somebody is connected to',
    'health',
    'a reader that is closed',
    'a reader that is left',
    'a reader that has come to the end',
    'a producer that is closed with its source',
    'a producer that has come to the end',
    'records to many',
    'a publisher',
    'the administration',
    'timers of an hour',
  ])('%s', ends);

  it.runIf(real)('transactions', () => ends('transactions'));
});
