import { config } from 'rxjs';

/** What a final subscriber throws has nowhere to go, and RxJS reports it: collects that while `work` runs. */
export function unhandledErrorsOf(work: (errors: readonly unknown[]) => void): void {
  const errors: unknown[] = [];
  const before = config.onUnhandledError;
  config.onUnhandledError = (error) => errors.push(error);
  try {
    work(errors);
  } finally {
    config.onUnhandledError = before;
  }
}
