import { spawnSync } from 'node:child_process';
import type { Reporter, SerializedError, TestModule, Vitest } from 'vitest/node';

export interface TallyOptions {
  /** For how long nothing may be heard of any test. Default: 35 minutes; a test of the largest size may take 30. */
  readonly silentMs?: number;
  /** How long the run may take to end when its last test has. Default: a minute. */
  readonly endMs?: number;
}

/**
 * Ends the run with one line that a build server can read: `N passed, N failed`, and `, N skipped` where some were.
 *
 * It ends in any case. A process whose event loop stands still cannot time its test out, and vitest waits for ever for one that a signal ended
 * while it was being let go: both are failures.
 */
export default class Tally implements Reporter {
  readonly #silentMs: number;
  readonly #endMs: number;
  readonly #underWay = new Set<string>();
  #vitest: Vitest | undefined;
  #silence: NodeJS.Timeout | undefined;
  #end: NodeJS.Timeout | undefined;

  constructor({ silentMs = 2_100_000, endMs = 60_000 }: TallyOptions = {}) {
    this.#silentMs = silentMs;
    this.#endMs = endMs;
  }

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunStart(): void {
    clearTimeout(this.#end);
  }

  onTestModuleQueued({ moduleId }: TestModule): void {
    this.#underWay.add(moduleId);
    this.#listen();
  }

  onTestCaseReady(): void {
    this.#listen();
  }

  onTestCaseResult(): void {
    this.#listen();
  }

  onTestModuleEnd({ moduleId }: TestModule): void {
    this.#underWay.delete(moduleId);
    this.#listen();
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    clearTimeout(this.#silence);
    let failures = unhandledErrors.length;
    // Whoever watches goes on.
    if (this.#vitest?.config.watch !== true) {
      this.#end = setTimeout(() => {
        failures += 1;
        giveUp(`The tests have ended ${this.#endMs} ms ago, and the run has not: the process of one was probably ended by a signal.`);
      }, this.#endMs).unref();
    }
    // Once everything else has been said.
    process.once('exit', () => {
      tell(modules, failures);
    });
  }

  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      giveUp(
        `Nothing was heard of the tests for ${this.#silentMs} ms. Their process stands still: ${[...this.#underWay].join(', ')}`,
        () => {
          tell(this.#vitest?.state.getTestModules() ?? [], 1);
        },
      );
    }, this.#silentMs).unref();
  }
}

function giveUp(reason: string, last?: () => void): never {
  process.stdout.write(`\n${reason}\n`);
  if (last !== undefined) process.once('exit', last);
  // One that stands still does not see that its parent is gone.
  spawnSync('pkill', ['-KILL', '-P', String(process.pid)]);
  process.exit(1);
}

function tell(modules: readonly TestModule[], failures: number): void {
  const count = { passed: 0, failed: failures, skipped: 0, pending: 0 };
  for (const module of modules) {
    // A file that could not be loaded, or a hook that failed, has no test to tell of it.
    if (module.errors().length > 0) count.failed += 1;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) count.failed += 1;
    for (const test of module.children.allTests()) count[test.result().state] += 1;
  }
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
  process.stdout.write(`${count.passed} passed, ${count.failed + count.pending} failed${skipped}\n`);
}
