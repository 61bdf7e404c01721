import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, inject, it } from 'vitest';
import { compiledStormProgram } from './program.js';
import { numberedTopic } from '../support/numbered.js';

/*
 * FAILS NOW, for two reasons. A source that is left while it connects is stopped first, and then started: it begins to patrol when it is
 * connected, and nobody is there any more to stop it, so the process never ends. And the clock of `drainTimeoutMs` goes on when nothing waits for
 * it any more, so any process ends that much later than it could.
 */
it('a source that is left while it connects leaves no timer behind', async () => {
  const [broker = ''] = inject('brokers');
  const { topic } = await numberedTopic([broker], { records: 1 });
  const { stdout } = await promisify(execFile)(process.execPath, [compiledStormProgram('programs/leavesAtOnce'), broker, topic]);
  expect(JSON.parse(stdout)).toEqual([]);
});
