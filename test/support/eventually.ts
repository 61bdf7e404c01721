import { vi } from 'vitest';

/** Below a test's own patience, for it to say what was missing. */
const TIMEOUT_MS = 50_000;
const POLL_MS = 2;

/** Resolves when the expectation holds. */
export async function eventually(expectation: () => unknown): Promise<void> {
  await vi.waitFor(expectation, { timeout: TIMEOUT_MS, interval: POLL_MS });
}
