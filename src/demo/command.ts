import { USAGE, parseArguments } from './arguments.js';
import { demo } from './demo.js';
import { failureOf } from './failure.js';
import { screenOn } from './screen.js';

/** The exit codes that shells expect of a process that was asked to end. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const;
type Signal = keyof typeof SIGNALS;

/** The demo from the command line; answers the exit code. */
export async function demoCommand(argv: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of Object.keys(SIGNALS) as Signal[]) {
    // Once: who asks again does not want to wait for the tidying up. The worker ends with its parent in any case.
    process.once(signal, () => {
      interrupted.abort(signal);
    });
  }
  // Node ignores SIGPIPE: that nobody reads any more, as after `| head`, it says so.
  process.stdout.on('error', () => {
    interrupted.abort('SIGPIPE');
  });
  let brokers: readonly string[] = [];
  try {
    const args = parseArguments(argv);
    if (args === 'help') {
      process.stdout.write(USAGE);
      return 0;
    }
    brokers = args.brokers ?? [];
    using screen = screenOn(process.stdout);
    const lost = await demo(args, screen, interrupted.signal);
    screen.verdict(lost === 0 ? 'Nothing was lost.' : `${lost} ${lost === 1 ? 'order was' : 'orders were'} lost.`, lost === 0);
    return lost === 0 ? 0 : 1;
  } catch (error) {
    if (interrupted.signal.aborted) return SIGNALS[interrupted.signal.reason as Signal];
    const { message, exitCode } = failureOf(error, brokers);
    process.stderr.write(`${message}\n`);
    return exitCode;
  }
}
