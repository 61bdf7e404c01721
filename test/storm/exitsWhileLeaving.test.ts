import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, inject, it } from 'vitest';
import { numberedTopic } from '../support/numbered.js';
import { compiledStormProgram } from './program.js';

describe.runIf(inject('brokerKind') !== 'embedded')('a process that exits while its source leaves', () => {
  it.each(['classic', 'consumer'])(
    'ends: nobody waits for an answer that it cannot give any more (group.protocol: %s)',
    async (protocol) => {
      const [broker = ''] = inject('brokers');
      const { topic } = await numberedTopic([broker], { records: 100, partitions: 4 });
      const exits = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24].map((turns) =>
        promisify(execFile)(
          process.execPath,
          [compiledStormProgram('programs/exitsWhileLeaving'), broker, topic, protocol, String(turns)],
          {
            timeout: 30_000,
            killSignal: 'SIGKILL',
          },
        ).then(
          () => `${turns}: ended`,
          (error: unknown) => `${turns}: ${(error as { readonly signal: string }).signal}`,
        ),
      );
      expect((await Promise.all(exits)).filter((exit) => !exit.endsWith('ended'))).toEqual([]);
    },
  );
});
