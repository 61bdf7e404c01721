import { defineConfig } from 'vitest/config';

/** What takes longer than this does not end at all; no test asserts a time. */
const PATIENCE_MS = 60_000;
/** Shorter, so that a failure shows what was not met. */
const POLL_MS = 50_000;

export default defineConfig({
  test: {
    // node-rdkafka loads in one thread of a process only.
    pool: 'forks',
    expect: { poll: { timeout: POLL_MS } },
    reporters: ['default', './test/support/tally.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'marbles',
          include: ['marbles/**/*.test.ts'],
          // They load nothing native, mock no module and leave nothing behind: all files of a thread share what they import.
          pool: 'threads',
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: 'properties', include: ['properties/**/*.test.ts'], testTimeout: PATIENCE_MS },
      },
      {
        extends: true,
        test: {
          name: 'types',
          include: [],
          typecheck: { enabled: true, only: true, include: ['marbles/**/*.test-d.ts'], ignoreSourceErrors: true }, // What is wrong elsewhere is told by `tsc`.
        },
      },
      {
        extends: true,
        test: {
          name: 'test',
          include: ['test/**/*.test.ts'],
          globalSetup: './test/support/globalSetup.ts',
          testTimeout: PATIENCE_MS,
          hookTimeout: PATIENCE_MS,
        },
      },
      {
        extends: true,
        test: {
          // The promises hold where the addon could not be built, too, and sinks write the same.
          name: 'plain',
          include: ['test/promises/**/*.test.ts', 'test/toTopic.test.ts', 'test/sinks/{failures,load,produceAll}.test.ts'],
          env: { KAFKA_RX_READER: 'plain', KAFKA_RX_PRODUCER: 'plain' },
          globalSetup: './test/support/globalSetup.ts',
          testTimeout: PATIENCE_MS,
          hookTimeout: PATIENCE_MS,
        },
      },
    ],
  },
});
