import { Subject, filter, firstValueFrom, startWith, throwError, timeout } from 'rxjs';

/** Nothing that happens here takes this long unless something is wrong. */
const PATIENCE_MS = 45_000;

/** Nothing has moved for a long time. */
export class StandstillError extends Error {
  constructor(what: string) {
    super(`nothing has moved for ${PATIENCE_MS / 1_000} s while waiting until ${what}.`);
    this.name = 'StandstillError';
  }
}

/** Waits for conditions. What makes every one of them impossible is thrown to whoever waits, now or later. */
export class Watch {
  readonly #changes$ = new Subject<void>();

  /** @param signal What makes every condition impossible when it aborts. */
  constructor(signal: AbortSignal) {
    signal.addEventListener('abort', () => {
      this.failed(signal.reason);
    });
  }

  /** Something has changed: conditions are looked at again. */
  readonly changed = (): void => {
    this.#changes$.next();
  };

  readonly failed = (error: unknown): void => {
    this.#changes$.error(error);
  };

  /** Resolves when the condition is met. @param what It in words: "until …". */
  async until(what: string, condition: () => boolean): Promise<void> {
    await firstValueFrom(
      this.#changes$.pipe(
        startWith(undefined),
        timeout({ each: PATIENCE_MS, with: () => throwError(() => new StandstillError(what)) }),
        filter(condition),
      ),
      { defaultValue: undefined },
    );
  }
}
