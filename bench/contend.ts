import { Meter } from './meter.js';
import type { Account, Message, Task, Work } from './task.js';

/** One kind of work, as a client does it best. */
export interface Program {
  /** What its clients are set to: it stands beside the figures. */
  readonly settings: object;
  /** Resolves when the clock was stopped and everything is closed, or may be left as it is. */
  run(task: Task, meter: Meter): Promise<void>;
}

export type Programs = Readonly<Partial<Record<Work, Program>>>;

/** Does what this process was told, tells the parent what it took, and ends the process. */
export async function contend(version: string, programs: Programs): Promise<void> {
  const task = JSON.parse(process.argv[2] as string) as Task;
  const program = programs[task.work];
  if (program === undefined) throw new Error(`this contender knows no "${task.work}"`);
  const meter = new Meter(task);
  await program.run(task, meter);
  if (task.work === 'consume' && meter.bytes === 0) throw new Error('nobody looked at the records');
  const account: Account = { ...meter.measured, version, node: process.version, settings: program.settings };
  await new Promise<void>((resolve, reject) => {
    process.send?.({ type: 'account', account } satisfies Message, undefined, undefined, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
  process.exit(0);
}
