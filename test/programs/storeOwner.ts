import * as lmdb from 'lmdb';
import { openOffsets } from '../../src/offsets/lmdb.js';
import type { Checkpoint, OffsetStore } from '../../src/offsets/store.js';
import type { TopicPartition } from '../../src/position.js';

/** What a test tells this program, one at a time. */
export type Order =
  | { readonly do: 'open'; readonly directory: string }
  | { readonly do: 'claim'; readonly group: string; readonly partitions: readonly TopicPartition[] }
  | { readonly do: 'write' | 'write, then die'; readonly group: string; readonly checkpoints: readonly Checkpoint[] }
  | { readonly do: 'list'; readonly group: string }
  | { readonly do: 'close' }
  /** Takes LMDB's own lock, and keeps it: to a writer, that is a disk which does not answer. */
  | { readonly do: 'hold the disk'; readonly directory: string }
  /** Root may write everywhere; nobody may not. */
  | { readonly do: 'give up root' };

/** What it answers. */
export type Report = { readonly value: unknown } | { readonly error: StoreFault };

export interface StoreFault {
  readonly name: string;
  readonly code?: string;
  readonly message: string;
}

const NOBODY = 65_534;
let store: OffsetStore | undefined;

async function carryOut(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'open':
      store = openOffsets(order.directory);
      return 'opened';
    case 'claim':
      return store?.claim(order.group, order.partitions);
    case 'write':
      return store?.write(order.group, order.checkpoints);
    case 'write, then die':
      await store?.write(order.group, order.checkpoints);
      process.kill(process.pid, 'SIGKILL');
      return;
    case 'list':
      return store?.list(order.group);
    case 'close':
      return store?.close();
    case 'hold the disk':
      lmdb.open({ path: order.directory, noSubdir: false, overlappingSync: false }).transactionSync(() => {
        report({ value: 'held' });
        for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });
      return;
    case 'give up root':
      if (process.getuid?.() === 0) {
        process.setgid?.(NOBODY);
        process.setuid?.(NOBODY);
      }
      return;
  }
}

function report(answer: Report): void {
  process.send?.(answer);
}

process.on('message', (order: Order) => {
  carryOut(order).then(
    (value) => {
      report({ value });
    },
    (error: unknown) => {
      const { name, message, code } = error as StoreFault;
      report({ error: { name, message, ...(code !== undefined && { code }) } });
    },
  );
});
process.on('disconnect', () => process.exit());
