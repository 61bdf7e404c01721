import type { Observable, SchedulerLike, Subscription } from 'rxjs';
import {
  EMPTY,
  Observable as Rx,
  ReplaySubject,
  Subject,
  asapScheduler,
  asyncScheduler,
  catchError,
  concat,
  concatMap,
  defer,
  filter,
  finalize,
  from,
  ignoreElements,
  interval,
  lastValueFrom,
  map,
  merge,
  of,
  pairwise,
  race,
  startWith,
  subscribeOn,
  take,
  tap,
} from 'rxjs';
import { brokerError, isUnknownTopic, unknownTopics } from '../brokerErrors.js';
import { BrokerError, FencedError, OptionError } from '../errors.js';
import type { KafkaEvent } from '../events.js';
import type { Client } from '../kafka.js';
import type { ApplyWrite, Checkpoint, Claim, OffsetStore } from '../offsets/store.js';
import type { Gap, GroupTransaction, StaleState, TopicPartition } from '../position.js';
import { bare, nameOf } from '../position.js';
import { Checkpointer } from './checkpointer.js';
import { Deadline } from './deadline.js';
import type { Delivery } from './delivery.js';
import { Demand } from './demand.js';
import type { PartitionLane } from './lane.js';
import { Lanes } from './lanes.js';
import { LateCompletions } from './lateCompletions.js';
import type { Membership, RebalanceListener } from './membership.js';
import { Mirror } from './mirror.js';
import { Pump } from './pump.js';
import { strangeLog } from './outOfRange.js';
import { AUTO_OFFSET_RESET, FATAL, MAX_POLL_EXCEEDED, PASSING } from './readFailures.js';
import { RangeGuard } from './rangeGuard.js';
import type { ReadError } from './reader.js';
import { Restarts } from './restarts.js';
import { Seeker } from './seek.js';
import type { ResolvedSourceOptions } from './sourceOptions.js';
import type { SourceState, SourceStats } from './sourceStats.js';
import type { Start } from './starts.js';
import { StatsSampler } from './statsSampler.js';
import { stalled } from './stalled.js';
import { upToDate } from './stale.js';
import { startingAt, starts } from './starts.js';

/** What one subscription is made of. */
export interface SessionOptions {
  /** The consumer group, or the name that stands for it where there is none: the store remembers under it, and events say it. */
  readonly group: string;
  /** The store, as this member sees it. */
  readonly offsets: (member: Membership) => OffsetStore;
  /** Whether the group's committed offsets follow the store. */
  readonly mirror: boolean;
  readonly onStateStale: (partitions: readonly StaleState[]) => void | PromiseLike<void>;
  readonly source: ResolvedSourceOptions;
  readonly member: (listener: RebalanceListener) => Membership;
  readonly emit: (event: KafkaEvent) => void;
  readonly scheduler?: SchedulerLike;
}

/** How long a lane that a newer epoch has overtaken may wait for the group to take its partition away. */
const FENCED_GRACE_MS = 10_000;

/** How long to wait for the reason why the client gave up. */
const REASON_MS = 1_000;

/**
 * One subscription to a source that remembers, as a member of a group or alone, from joining to leaving.
 *
 * Every rebalance is answered whatever the pipeline does: a revoked partition emits nothing more at once, and is given up when what is in
 * flight is finished and remembered, or when `drainTimeoutMs` is over. Leaving follows the same steps.
 */
export class Session implements Client {
  readonly kind = 'source';
  readonly #options: SessionOptions;
  readonly #scheduler: SchedulerLike;
  readonly #delivery: Delivery;
  readonly #member: Membership;
  readonly #offsets: OffsetStore;
  readonly #mirror: Mirror;
  readonly #demand: Demand;
  readonly #checkpointer: Checkpointer;
  readonly #pump: Pump;
  readonly #late: LateCompletions;
  readonly #rangeGuard: RangeGuard;
  readonly #sampler: StatsSampler;
  readonly #restarts: Restarts;
  readonly seeker: Seeker;
  readonly #lanes = new Lanes();
  /** Answers are given one after the other, in the order of the questions. */
  readonly #rebalances$ = new Subject<Observable<never>>();
  readonly #abandoned$ = new Subject<void>();
  readonly #hurry$ = new Subject<void>();
  /** Lanes that others have taken over, until the group has taken them away as well. */
  readonly #overtaken = new Set<PartitionLane>();
  /** Until when it may. */
  #grace: Subscription | undefined;
  /** The end of the stream, if the client gave up and does not say why. */
  #withoutReason: Subscription | undefined;
  /** Whether the group has given anything yet, and whether an answer is under way. */
  #begun = false;
  #answering = false;
  #stopped = false;
  #hurried = false;
  readonly #closed$ = new ReplaySubject<never>(1);

  constructor(options: SessionOptions, delivery: Delivery) {
    this.#options = options;
    this.#delivery = delivery;
    const { maxInFlight, maxInFlightBytes } = options.source;
    this.#demand = new Demand({
      maxRecords: maxInFlight,
      maxBytes: maxInFlightBytes,
      onRelief: () => {
        this.#pump.poke();
      },
      onFinish: () => {
        this.#pump.pokeSoon();
      },
    });
    const scheduler = (this.#scheduler = options.scheduler ?? asyncScheduler);
    this.#late = new LateCompletions({
      report: (completions, partitions) => {
        options.emit({ type: 'late', group: options.group, partitions, completions });
      },
      scheduler,
    });
    this.#checkpointer = new Checkpointer({
      demand: this.#demand,
      write: (checkpoints, apply) => this.#write(checkpoints, apply),
      commitThrough: (transaction) => {
        this.#commitThrough(transaction);
      },
      onFailure: (error) => {
        this.#fail(error);
      },
      onRefused: (lanes) => {
        // What was fenced meanwhile, as by a seek, has been taken over by this session itself.
        this.#refused(lanes.filter(({ live }) => live));
      },
      onLate: (lane) => {
        this.#late.note(lane);
      },
      onAbandoned: () => {
        this.#abandoned$.next();
      },
      scheduler,
    });
    this.#member = options.member({
      onAssigned: (partitions) => {
        this.#rebalances$.next(this.#assign(partitions));
      },
      onFatal: (reason) => {
        this.#fail(this.#fatal(reason));
      },
      onRevoked: (partitions) => {
        this.#silence(this.#lanes.of(partitions));
        this.#rebalances$.next(this.#revoke(partitions));
      },
    });
    this.#offsets = options.offsets(this.#member);
    this.#mirror = new Mirror({
      commit: (positions) => this.#member.commit(positions),
      isCurrent: ({ topic, partition, epoch }) => {
        const lane = this.#lanes.get(topic, partition);
        return lane?.epoch === epoch && lane.live;
      },
      onError: (error) => {
        this.#emitError(error);
      },
      scheduler,
    });
    this.#rangeGuard = new RangeGuard({
      member: this.#member,
      lanes: () => this.#lanes.all(),
      isStarved: (lane) => this.#demand.starved || lane.starved,
      onOutOfRange: options.source.onOutOfRange,
      onGap: (gap) => {
        this.#report(gap);
      },
      onFailure: (error) => {
        this.#fail(error);
      },
      onError: (error) => {
        if (error instanceof BrokerError && isUnknownTopic(error.kafkaCode)) this.#topicGone(error);
        else this.#emitError(error);
      },
      scheduler,
    });
    this.#pump = new Pump({
      reader: this.#member.reader,
      demand: this.#demand,
      checkpointer: this.#checkpointer,
      laneOf: (topic, partition) => this.#lanes.get(topic, partition),
      emit: delivery.next,
      onError: (error) => {
        this.#readFailed(error);
      },
      onStranger: (lane) => {
        this.#rebalances$.next(this.#startOver(lane));
      },
      onStall: (lane) => {
        this.#fail(stalled(lane ?? this.#lanes.all(), this.#demand, options.source));
      },
      stallAfterMs: options.source.stallAfterMs,
      awaitsAnswer: () => this.#member.committing,
      pause: (partitions = this.#lanes.all()) => {
        this.#member.pause(partitions);
      },
      resume: (partitions = this.#lanes.all()) => {
        this.#member.resume(partitions);
      },
      backlog: delivery.backlog,
      scheduler,
    });
    this.#sampler = new StatsSampler({
      name: options.group,
      source: options.source,
      client: this.#member,
      lanes: () => this.#lanes.all(),
      finished: (lane) => lane.remembered,
      tally: () => this.#lanes.tally,
      state: () => this.#state,
      lateCompletions: () => this.#late.total,
      demand: this.#demand,
      checkpointer: this.#checkpointer,
      pump: this.#pump,
      onError: (error) => {
        this.#emitError(error);
      },
      scheduler,
    });
    this.#restarts = this.#restarting();
    this.seeker = this.#seeking();
  }

  get stats$(): Observable<SourceStats> {
    return this.#sampler.stats$;
  }

  #restarting(): Restarts {
    const { group, mirror } = this.#options;
    return new Restarts({
      group,
      offsets: this.#offsets,
      mirror: mirror ? this.#mirror : undefined,
      lanes: this.#lanes,
      member: this.#member,
      flush: () => this.#flush(),
      fence: (lanes) => {
        this.#fence(lanes);
      },
      onRefused: (lanes) => {
        this.#refused(lanes);
      },
      afterRead: () => this.#afterRead(),
      enqueue: (job) => {
        this.#rebalances$.next(job);
      },
      open: (checkpoints) => {
        this.#open(checkpoints);
      },
      isStopped: () => this.#stopped,
    });
  }

  #seeking(): Seeker {
    const { group, source, emit } = this.#options;
    return new Seeker({
      lanes: () => this.#lanes.all(),
      restarts: this.#restarts,
      member: this.#member,
      onOutOfRange: source.onOutOfRange,
      enqueue: (job) => {
        if (this.#stopped || !this.#rebalances$.observed) return false;
        this.#rebalances$.next(job);
        return true;
      },
      closed$: this.#closed$,
      onSought: (partitions) => {
        emit({ type: 'seek', group, partitions });
      },
      onFailure: (error) => {
        this.#fail(error);
      },
    });
  }

  start(): void {
    if (this.#stopped) return;
    this.#sampler.start();
    this.#rebalances$.pipe(concatMap((answer) => this.#survive(answer))).subscribe({
      error: (error: unknown) => {
        this.#fail(error);
      },
    });
    from(this.#member.connect()).subscribe({
      complete: () => {
        if (this.#stopped) return;
        this.#pump.start();
        this.#rangeGuard.start();
      },
      error: (error: unknown) => {
        this.#fail(error);
      },
    });
  }

  /** One answer that fails must not keep the next ones from being given. */
  #survive(answer: Observable<never>): Observable<never> {
    return defer(() => {
      this.#answering = true;
      return answer;
    }).pipe(
      catchError((error: unknown) => {
        this.#fail(error);
        return EMPTY;
      }),
      finalize(() => {
        this.#answering = false;
      }),
    );
  }

  /** Emits nothing more, and leaves the group once what is in flight is finished, or once nobody is left to finish it. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#rangeGuard.stop();
    this.#grace?.unsubscribe();
    this.#withoutReason?.unsubscribe();
    this.#silence(this.#lanes.all());
    this.#pump.drain();
    this.#leave()
      .pipe(
        // A `take(1)` below `commit()` gets here before `commit()` has finished the record that it let through.
        subscribeOn(this.#options.scheduler ?? asapScheduler),
        finalize(() => {
          this.#closed$.complete();
        }),
      )
      .subscribe();
  }

  /** Completes when the group was left and everything is released. */
  get closed$(): Observable<never> {
    return this.#closed$.asObservable();
  }

  /** Completes the stream; what is in flight has `drainTimeoutMs` from now. */
  close(): Promise<void> {
    this.hurry();
    try {
      this.#delivery.complete();
    } catch (error) {
      // Of a finalizer below.
      this.#emitError(error);
    }
    this.stop();
    return lastValueFrom(this.#closed$, { defaultValue: undefined });
  }

  /** What is in flight has `drainTimeoutMs` from now: somebody waits for this session to leave. */
  hurry(): void {
    this.#hurried = true;
    this.#hurry$.next();
  }

  get #state(): SourceState {
    if (this.#stopped) return 'stopping';
    if (this.#answering) return this.#begun ? 'rebalancing' : 'starting';
    if (!this.#begun) return 'starting';
    return this.#pump.paused ? 'paused' : 'running';
  }

  #emitError(error: unknown): void {
    this.#options.emit({ type: 'error', client: `consumer of ${this.#options.group}`, error: error as Error });
  }

  #report(gap: Gap): void {
    const { group, source, emit } = this.#options;
    emit({ type: 'gap', group, ...gap });
    source.onGap(gap);
  }

  #fail(error: unknown): void {
    const isFirst = !this.#stopped;
    this.#delivery.error(error);
    // Afterwards: whoever closes everything on hearing of it must not turn the error into a completion.
    if (isFirst) this.#options.emit({ type: 'failed', name: this.#options.group, error: error as Error });
  }

  #write(checkpoints: readonly Checkpoint[], apply: ApplyWrite | undefined): Observable<readonly Checkpoint[]> {
    const { group, mirror } = this.#options;
    let refused: readonly Checkpoint[] = [];
    return from(this.#offsets.write(group, checkpoints, apply)).pipe(
      tap({
        next: (found) => {
          refused = found;
        },
        // The store first, the mirror second: it may lag, and never leads.
        complete: () => {
          if (mirror) this.#mirror.note(checkpoints.filter((checkpoint) => !refused.includes(checkpoint)));
        },
      }),
    );
  }

  #commitThrough(transaction: GroupTransaction): void {
    if (this.#offsets.commitThrough === undefined) {
      throw new OptionError(
        `toTransaction: the offsets of ${this.#options.group} are not kept in Kafka, and only those can be in one transaction with records: ` +
          'read with fromTopic and groupOffsets(kafka), or write with toTopic() and commit().',
      );
    }
    if (!this.#member.readsCommitted) {
      throw new OptionError(
        'toTransaction: a source that reads what is not committed could start before the end of a transaction that is under way: leave its `readCommitted` true.',
      );
    }
    this.#offsets.commitThrough(transaction);
  }

  #assign(partitions: readonly TopicPartition[]): Observable<never> {
    const { group, source } = this.#options;
    return defer(() => {
      if (this.#stopped) throw new Error('leaving');
      return from(this.#offsets.claim(group, partitions));
    }).pipe(
      concatMap((claims) => this.#upToDate(claims)),
      concatMap((claims) =>
        starts(claims, {
          member: this.#member,
          policy: source,
          onGap: (gap) => {
            this.#lanes.tallyOf(gap).misses += gap.to - gap.from;
            this.#report(gap);
          },
          onError: (error) => {
            this.#emitError(error);
          },
        }).pipe(concatMap((found) => concat(this.#rememberChosen(claims, found), [found]))),
      ),
      // A read that is in flight may bring records of an assignment before this one: they must not meet its lanes.
      concatMap((found) => concat(this.#afterRead(), [found])),
      tap((found) => {
        // Leaving by now: what it took would be given back in a moment, and if it has left, never.
        if (this.#stopped) throw new Error('leaving');
        this.#begin(found);
      }),
      catchError((error: unknown) => {
        this.#member.assign([]);
        if (!this.#stopped) this.#fail(error);
        return EMPTY;
      }),
      ignoreElements(),
    );
  }

  /** Where starts were chosen now, they are not to be chosen again. */
  #rememberChosen(claims: readonly Claim[], found: readonly Start[]): Observable<never> {
    const chosen = found.filter((start) => start.chosen).map((start) => start.checkpoint);
    if (chosen.length === 0) return EMPTY;
    const before = claims.map(({ checkpoint }) => checkpoint).filter((checkpoint) => checkpoint !== undefined);
    return concat(this.#setBack(before, chosen), from(this.#offsets.reset(this.#options.group, chosen)).pipe(ignoreElements()));
  }

  /** It goes on also where the group does not follow. */
  #setBack(before: readonly Checkpoint[], after: readonly Checkpoint[]): Observable<never> {
    return this.#restarts.setBack(before, after).pipe(
      catchError((error: unknown) => {
        this.#emitError(error);
        return EMPTY;
      }),
    );
  }

  /** The claims, as far as the group is by now. */
  #upToDate(claims: readonly Claim[]): Observable<readonly Claim[]> {
    const { group, mirror, onStateStale, emit } = this.#options;
    if (!mirror) return of(claims);
    return defer(() => this.#member.committed(claims)).pipe(
      concatMap((committed) => {
        const current = upToDate(claims, committed);
        if (current.stale.length === 0) return of(current.claims);
        emit({ type: 'stale', group, partitions: current.stale });
        const ready: unknown = onStateStale(current.stale);
        return isPromise(ready) ? from(ready).pipe(map(() => current.claims)) : of(current.claims);
      }),
    );
  }

  /** The partition's log is another one than that of which its position was remembered. */
  #startOver(lane: PartitionLane): Observable<never> {
    const { source } = this.#options;
    return defer(() => (this.#isCurrent(lane) ? this.#member.watermarks(lane) : EMPTY)).pipe(
      concatMap((bounds) => {
        if (!this.#isCurrent(lane)) return EMPTY;
        const before = lane.checkpoint();
        const error = strangeLog({ ...bare(lane), offset: before.fingerprint?.offset ?? before.frontier }, bounds);
        if (source.onOutOfRange === 'fail' || !this.#member.incremental) throw error;
        this.#emitError(error);
        const to = source.onOutOfRange === 'earliest' ? bounds.low : bounds.high;
        return this.#restarts.take([lane]).pipe(
          concatMap((taken) => {
            const starting = taken.map((checkpoint) => startingAt(checkpoint, to));
            return concat(
              this.#setBack(taken, starting),
              this.#restarts.begin(starting.map((checkpoint) => ({ lane, checkpoint, fetchFrom: to }))),
            );
          }),
        );
      }),
      ignoreElements(),
    );
  }

  #begin(found: readonly Start[]): void {
    const { group, emit } = this.#options;
    this.#begun = true;
    this.#member.assign(found.map(({ checkpoint: { topic, partition }, fetchFrom }) => ({ topic, partition, offset: fetchFrom })));
    this.#open(found.map(({ checkpoint }) => checkpoint));
    emit({
      type: 'assigned',
      group,
      partitions: found.map(({ checkpoint: { topic, partition, frontier } }) => ({ topic, partition, offset: frontier })),
    });
  }

  #open(checkpoints: readonly Checkpoint[]): void {
    const { maxInFlight: maxOpen } = this.#options.source;
    const lanes = checkpoints.map((checkpoint) => this.#delivery.laneFor({ ...checkpoint, maxOpen }, this.#checkpointer));
    for (const lane of lanes) this.#lanes.set(lane);
    this.#delivery.opened(lanes);
    this.#pump.opened(lanes);
  }

  #revoke(partitions: readonly TopicPartition[]): Observable<never> {
    return defer(() => {
      const lanes = this.#lanes.of(partitions);
      // Those that were given by an answer before this one, too.
      this.#silence(lanes);
      const deadline = this.#deadline();
      return concat(
        this.#afterRead(),
        untilDone(merge(...lanes.map(idle)), merge(deadline.passed$, this.#abandoned$)).pipe(finalize(deadline.cancel)),
        this.#flush(),
        this.#do(() => {
          this.#end(lanes, 'revoked');
          for (const lane of this.#overtaken) if (partitions.some((partition) => isOf(partition, lane))) this.#overtaken.delete(lane);
          this.#member.unassign(partitions);
        }),
      );
    });
  }

  /** These emit nothing more; whoever keeps records back is asked to let them go. */
  #silence(lanes: readonly PartitionLane[]): void {
    for (const lane of lanes) lane.stop();
    this.#checkpointer.letGo();
  }

  #leave(): Observable<never> {
    const deadline = this.#deadline();
    const hurried$ = defer(() => (this.#hurried ? deadline.passed$ : this.#hurry$.pipe(concatMap(() => deadline.passed$))));
    // While a commit() is there the work may take its time, the partitions are still ours. Before one was seen nobody may ever finish anything.
    const enough$ = defer(() => {
      const { operators } = this.#checkpointer;
      if (operators === 'gone') return [undefined];
      return merge(this.#abandoned$, hurried$, operators === 'none' ? deadline.passed$ : this.#standstill());
    });
    return concat(
      this.#afterRead(),
      untilDone(
        defer(() => merge(...this.#lanes.all().map(idle))),
        enough$,
      ).pipe(finalize(deadline.cancel)),
      this.#flush(),
      this.#do(() => {
        this.#sampler.stop();
        this.#end(this.#lanes.all(), 'revoked');
        this.#mirror.stop();
        this.#pump.stop();
        this.#late.stop();
      }),
      this.#afterRead(),
      defer(() => from(this.#member.close())).pipe(ignoreElements()),
      this.#do(() => {
        this.#rebalances$.complete();
      }),
    );
  }

  /** What is finished is written, and then mirrored. It has a time of its own: work that took all of the other one must not be lost. */
  #flush(): Observable<never> {
    const deadline = this.#deadline();
    return untilDone(concat(this.#checkpointer.flush(), this.#mirror.flush()), deadline.passed$).pipe(finalize(deadline.cancel));
  }

  #deadline(): Deadline {
    return new Deadline(this.#options.source.drainTimeoutMs, this.#scheduler);
  }

  /** Emits when nothing was finished for `stallAfterMs`: what is open then never will be. */
  #standstill(): Observable<unknown> {
    const { source, group, emit } = this.#options;
    return interval(source.stallAfterMs, this.#scheduler).pipe(
      map(() => this.#demand.given),
      startWith(this.#demand.given),
      pairwise(),
      filter(([before, now]) => before === now),
      tap(() => {
        emit({
          type: 'notice',
          message: `a source of ${group} has ended, and of what it had in flight nothing was finished for ${source.stallAfterMs} ms: it leaves.`,
        });
      }),
    );
  }

  #end(partitions: readonly PartitionLane[], type: 'revoked' | 'lost'): void {
    // A leave may meet a revoke that is under way.
    const lanes = partitions.filter((lane) => this.#isCurrent(lane));
    if (lanes.length === 0) return;
    const unfinished = lanes.reduce((sum, { records }) => sum + records, 0);
    for (const lane of lanes) this.#lanes.delete(lane);
    this.#fence(lanes);
    this.#options.emit({ type, group: this.#options.group, partitions: lanes.map(bare), unfinished });
  }

  #isCurrent(lane: PartitionLane): boolean {
    return this.#lanes.get(lane.topic, lane.partition) === lane;
  }

  /** Closes the lanes and gives back, once, the credits of what is still open in them. */
  #fence(lanes: readonly PartitionLane[]): void {
    let records = 0;
    let bytes = 0;
    for (const lane of lanes) {
      if (!lane.live) continue;
      records += lane.records;
      bytes += lane.bytes;
      lane.fence();
    }
    // All are closed by now: a credit that comes back may be used at once.
    this.#demand.abandon(records, bytes);
  }

  /** Others have taken these over: here they are lost, whatever the group says. */
  #refused(lanes: readonly PartitionLane[]): void {
    const { group } = this.#options;
    // What the group has taken away by now nobody disputes.
    const disputed = lanes.filter((lane) => this.#isCurrent(lane));
    if (disputed.length === 0) return;
    this.#end(disputed, 'lost');
    for (const lane of disputed) this.#overtaken.add(lane);
    this.#grace ??= this.#scheduler.schedule(() => {
      this.#grace = undefined;
      const still = [...this.#overtaken];
      if (still.length === 0 || this.#stopped) return;
      const where = still.map(nameOf).join(', ');
      this.#fail(
        new FencedError(
          `another subscription of ${group} on the same store has taken over ${where}: run only one per store, or give each its own group or name.`,
          still.map(bare),
        ),
      );
    }, FENCED_GRACE_MS);
  }

  #readFailed(error: ReadError): void {
    if (error.code === MAX_POLL_EXCEEDED) {
      this.#emitError(brokerError('the event loop stood still for longer than max.poll.interval.ms', error));
      this.#end(this.#lanes.all(), 'lost');
    } else if (PASSING.has(error.code)) {
      this.#emitError(brokerError('reading failed, and goes on', error));
    } else if (error.code === FATAL) {
      // The client's log has the reason, and may be a moment later.
      this.#withoutReason = this.#scheduler.schedule(() => {
        this.#fail(brokerError('the client gave up', error));
      }, REASON_MS);
    } else if (error.code === AUTO_OFFSET_RESET) {
      this.#rangeGuard.check();
    } else if (isUnknownTopic(error.code)) {
      this.#topicGone(error);
    } else {
      this.#fail(brokerError('reading failed', error));
    }
  }

  #fatal(reason: string): Error {
    const { group } = this.#options;
    if (!/fenced/i.test(reason)) return brokerError('the client gave up', { code: FATAL, message: reason });
    return new FencedError(
      `another member of group ${group} has the same \`group.instance.id\`, and took this one's place: give each member its own.`,
      this.#lanes.all().map(bare),
    );
  }

  /** A topic was deleted: the end of a stream that names it, but not of one that names a pattern. */
  #topicGone(cause: unknown): void {
    from(this.#member.missing()).subscribe({
      next: (topics) => {
        if (topics.length > 0) this.#fail(unknownTopics(topics));
        else this.#emitError(cause instanceof Error ? cause : brokerError('reading a topic failed', cause as ReadError));
      },
      error: (error: unknown) => {
        this.#emitError(error);
      },
    });
  }

  #afterRead(): Observable<never> {
    return new Rx((subscriber) => {
      this.#pump.afterRead(() => {
        subscriber.complete();
      });
    });
  }

  #do(work: () => void): Observable<never> {
    return defer(() => {
      work();
      return EMPTY;
    });
  }
}

/** A function that returns nothing may be given as one that returns anything. */
function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value;
}

/** Completes when nothing is open in the lane. */
function idle(lane: PartitionLane): Observable<never> {
  return new Rx((subscriber) => {
    lane.whenIdle(() => {
      subscriber.complete();
    });
  });
}

/** Completes when the work does, or at the first value of `limit`. */
function untilDone(work: Observable<never>, limit: Observable<unknown>): Observable<never> {
  return race(concat(work, [undefined]), limit).pipe(take(1), ignoreElements());
}

function isOf({ topic, partition }: TopicPartition, lane: PartitionLane): boolean {
  return partition === lane.partition && topic === lane.topic;
}
