import type { Observable } from 'rxjs';
import {
  BehaviorSubject,
  distinctUntilChanged,
  endWith,
  filter,
  ignoreElements,
  merge,
  share,
  switchMap,
  takeUntil,
  tap,
  timer,
} from 'rxjs';
import type { Observed } from './figures.js';
import { Vitals, findsNoBroker } from './vitals.js';

/** How the sources stand, in the three words of whoever runs the program. */
export interface HealthStatus {
  /** The sources have their shares of the partitions, which may be none. Once it is `true` it stays so; `false` before there is a source. */
  readonly started: boolean;
  /**
   * There is a source, all of them read (or wait for records to be finished before they read on), and brokers answer. `false` while partitions change
   * hands, while brokers are away, and when the last source has ended. It is noticed by a sign from a broker that they are back, and where topics are
   * quiet 45 s after they were last found away.
   */
  readonly ready: boolean;
  /**
   * No source has failed for good: none has errored and was not subscribed to again. Neither rebalances nor brokers that are away nor sources that end in
   * peace change it; what fails below a source is for whoever waits for the end of the stream.
   */
  readonly live: boolean;
}

export interface Health {
  readonly status: HealthStatus;
  /** The status on subscription, and each change of it. Completes at `kafka.close()`. */
  readonly status$: Observable<HealthStatus>;
}

/** A client that looks for a broker in vain says so again within this: it waits up to 30 s for an answer, and 10 s before it tries again. */
const AWAY_MS = 45_000;

/**
 * Follows whether the sources of a `Kafka` have started, are ready and live, for the probes of whoever runs the program.
 *
 * ```text
 * sources    ----starting--running----rebalancing--running----failed--
 * started    0-------------1------------------------------------------
 * ready      0-------------1----------0------------1----------0-------
 * live       1------------------------------------------------0-------
 * ```
 *
 * It begins when this is called, and is as old as the last statistics: sources are sampled every `statsEveryMs` from then on.
 *
 * @param observed A `Kafka`; or, for several, their `stats$` and `events$` merged.
 *
 * @example
 * ```js
 * const billing = health(kafka);
 * createServer(({ url }, response) => {
 *   response.writeHead(billing.status[url.slice(1)] ? 200 : 503).end();
 * }).listen(8080); // /started, /ready and /live
 * ```
 */
export function health({ stats$, events$ }: Observed): Health {
  const vitals = new Vitals();
  const status = (): HealthStatus => ({ started: vitals.started, ready: vitals.ready, live: vitals.live });
  const status$ = new BehaviorSubject(status());
  const heard$ = events$.pipe(share());
  const closed$ = heard$.pipe(ignoreElements(), endWith(undefined));
  const changes$ = merge(
    stats$.pipe(
      tap((stats) => {
        vitals.note(stats);
      }),
    ),
    heard$.pipe(
      tap((event) => {
        vitals.hear(event);
      }),
    ),
    heard$.pipe(
      filter(findsNoBroker),
      switchMap(() => timer(AWAY_MS)),
      tap(() => {
        vitals.brokersAnswer();
      }),
      takeUntil(closed$),
    ),
  );
  changes$.subscribe({
    next: () => {
      status$.next(status());
    },
    error: (error: unknown) => {
      status$.error(error);
    },
    complete: () => {
      status$.complete();
    },
  });
  return {
    get status() {
      return status$.value;
    },
    status$: status$.pipe(
      distinctUntilChanged((one, other) => one.started === other.started && one.ready === other.ready && one.live === other.live),
    ),
  };
}
