import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, inject, it } from 'vitest';
import { compiledStormProgram } from './program.js';
import { numberedTopic } from '../support/numbered.js';

// It is stopped first, and connected then; and the clock of `drainTimeoutMs` would go on although nothing waits for it any more.
it('a source that is left while it connects leaves no timer behind', async () => {
  const [broker = ''] = inject('brokers');
  const { topic } = await numberedTopic([broker], { records: 1 });
  const { stdout } = await promisify(execFile)(process.execPath, [compiledStormProgram('programs/leavesAtOnce'), broker, topic]);
  expect(JSON.parse(stdout)).toEqual([]);
});
