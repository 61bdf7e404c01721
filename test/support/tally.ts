import type { Reporter, TestModule } from 'vitest/node';

/** Ends the run with one line that a build server can read: `N passed, N failed`, and `, N skipped` where some were. */
export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      // A file that could not be loaded, or a hook that failed, has no test to tell of it.
      if (module.errors().length > 0) count.failed += 1;
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) count.failed += 1;
      for (const test of module.children.allTests()) count[test.result().state] += 1;
    }
    const failed = count.failed + count.pending;
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    // Once everything else has been said.
    process.once('exit', () => {
      process.stdout.write(`${count.passed} passed, ${failed} failed${skipped}\n`);
    });
  }
}
