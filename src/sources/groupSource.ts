import type { Subscriber } from 'rxjs';
import { finalize, merge } from 'rxjs';
import { StatsHub } from '../statsHub.js';
import type { Delivery } from './delivery.js';
import { inOneStream } from './delivery.js';
import { KafkaSource } from './kafkaSource.js';
import { seek } from './seek.js';
import type { SessionOptions } from './session.js';
import { Session } from './session.js';
import type { SourceStats } from './sourceStats.js';

export interface GroupSourceOptions extends SessionOptions {
  /** Keeps a subscription until it has left: then it calls what this returns. */
  readonly register: (session: Session) => () => void;
}

/** Records in one stream. */
export function groupSource(options: GroupSourceOptions): KafkaSource {
  return groupSourceOf(inOneStream, options);
}

/** Records, as a member of a group or alone: cold, each subscription is a member of its own, and one that is left goes before the next one joins. */
export function groupSourceOf<T>(
  delivery: (subscriber: Subscriber<T>, options: SessionOptions) => Delivery,
  { register, ...options }: GroupSourceOptions,
): KafkaSource<T> {
  const { signal } = options.source;
  const current = new Set<Session>();
  /** Subscriptions that were left and still have work in flight. */
  const leaving = new Set<Session>();
  const hub = new StatsHub<SourceStats>();
  const subscribe = (subscriber: Subscriber<T>): void => {
    if (signal?.aborted === true) {
      subscriber.complete();
      return;
    }
    const session = new Session(options, delivery(subscriber, options));
    const unregister = register(session);
    current.add(session);
    const unlist = hub.add(session.stats$);
    const onAbort = (): void => {
      subscriber.complete();
    };
    signal?.addEventListener('abort', onAbort);
    subscriber.add(() => {
      signal?.removeEventListener('abort', onAbort);
      session.stop();
      current.delete(session);
      leaving.add(session);
      session.closed$
        .pipe(
          finalize(() => {
            leaving.delete(session);
            unregister();
            unlist();
          }),
        )
        .subscribe();
    });
    // Subscribed to again, as by `retry`: a member that has not left yet would hold the partitions. What it waits for may never be finished.
    for (const one of leaving) one.hurry();
    if (leaving.size === 0) session.start();
    else
      merge(...[...leaving].map(({ closed$ }) => closed$))
        .pipe(
          finalize(() => {
            session.start();
          }),
        )
        .subscribe();
  };
  return new KafkaSource(subscribe, {
    stats$: hub.stats$,
    seek: (targets) =>
      seek(
        [...current].map(({ seeker }) => seeker),
        targets,
      ),
  });
}
