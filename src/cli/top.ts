import type { Sample } from './servedStats.js';
import { servedStats } from './servedStats.js';
import { parseTopCall } from './topArguments.js';
import { producerLine, sourceLines } from './topLines.js';
import { TopState } from './topState.js';
import { topTable } from './topTable.js';
import { TOP_USAGE } from './usage.js';

/** The exit codes that shells expect of a process that was asked to end. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const;
type Signal = keyof typeof SIGNALS;

/** What it writes to: `process.stdout`. */
export type Output = Pick<NodeJS.WriteStream, 'write'> & Partial<Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'rows'>>;

/** `kafka-rx top`; answers the exit code. */
export async function top(argv: readonly string[]): Promise<number> {
  const call = parseTopCall(argv);
  if (call === 'help') {
    process.stdout.write(TOP_USAGE);
    return 0;
  }
  const interrupted = new AbortController();
  const listeners = Object.keys(SIGNALS).map((signal) => {
    const listener = (): void => {
      interrupted.abort(signal);
    };
    process.once(signal, listener);
    return [signal, listener] as const;
  });
  // Node ignores SIGPIPE: that nobody reads any more, as after `| head`, it says so.
  process.stdout.on('error', () => {
    interrupted.abort('SIGPIPE');
  });
  try {
    const show = viewOn(process.stdout, call.json);
    let left = call.count;
    for await (const sample of servedStats(call.path, interrupted.signal)) {
      show(sample);
      left -= 1;
      if (left === 0) return 0;
    }
    if (interrupted.signal.aborted) return SIGNALS[interrupted.signal.reason as Signal];
    process.stderr.write('the pipeline has ended.\n');
    return 0;
  } finally {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  }
}

/** Shows a sample: as JSON, as lines, or in the table that a terminal has of all. */
export function viewOn(out: Output, json: boolean): (sample: Sample) => void {
  if (json)
    return (sample) => {
      out.write(`${JSON.stringify(sample)}\n`);
    };
  const state = new TopState();
  if (out.isTTY !== true)
    return (sample) => {
      const view = state.take(sample);
      out.write('partitions' in view ? sourceLines(view).join('') : producerLine(view));
    };
  let drawn = false;
  return (sample) => {
    state.take(sample);
    // Some terminals say that they have no columns at all. The last row is the cursor's.
    const room = { columns: out.columns === undefined || out.columns === 0 ? 80 : out.columns, rows: Math.max(4, (out.rows ?? 24) - 1) };
    const lines = topTable(state.sources, state.producers, room);
    // The terminal is left as it is, the cursor too: whatever ends this, there is nothing to put back.
    out.write(`${drawn ? HOME : CLEAR}${lines.map((line) => `${line}${CLEAR_LINE}\n`).join('')}${CLEAR_BELOW}`);
    drawn = true;
  };
}

const CLEAR = '\x1b[2J\x1b[H';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
