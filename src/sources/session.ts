import type { Observable, SchedulerLike } from 'rxjs';
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
  pairwise,
  race,
  startWith,
  subscribeOn,
  take,
  tap,
} from 'rxjs';
import { OptionError } from '../errors.js';
import type { KafkaEvent } from '../events.js';
import type { Client } from '../kafka.js';
import type { ApplyWrite, Checkpoint, OffsetStore } from '../offsets/store.js';
import type { Gap, GroupTransaction, StaleState, TopicPartition } from '../position.js';
import { bare } from '../position.js';
import { Checkpointer } from './checkpointer.js';
import { claimStarts } from './claimStarts.js';
import { Deadline } from './deadline.js';
import type { Delivery } from './delivery.js';
import { Demand } from './demand.js';
import type { PartitionLane } from './lane.js';
import { Lanes } from './lanes.js';
import { LateCompletions } from './lateCompletions.js';
import type { Membership, RebalanceListener } from './membership.js';
import { Mirror } from './mirror.js';
import { strangeLog } from './outOfRange.js';
import { Overtaken } from './overtaken.js';
import { Pump } from './pump.js';
import { RangeGuard } from './rangeGuard.js';
import { Restarts } from './restarts.js';
import { Seeker } from './seek.js';
import { SessionFailures } from './sessionFailures.js';
import type { ResolvedSourceOptions } from './sourceOptions.js';
import type { SourceState, SourceStats } from './sourceStats.js';
import type { Start } from './starts.js';
import { StatsSampler } from './statsSampler.js';
import { stalled } from './stalled.js';
import { startingAt } from './starts.js';

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
  readonly #overtaken: Overtaken;
  readonly #failures: SessionFailures;
  readonly seeker: Seeker;
  readonly #lanes = new Lanes();
  /** Answers are given one after the other, in the order of the questions. */
  readonly #rebalances$ = new Subject<Observable<never>>();
  readonly #abandoned$ = new Subject<void>();
  readonly #hurry$ = new Subject<void>();
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
      onFailure: this.#fail,
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
        this.#failures.fatal(reason);
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
      onError: this.#emitError,
      scheduler,
    });
    this.#rangeGuard = new RangeGuard({
      member: this.#member,
      lanes: () => this.#lanes.all(),
      isStarved: () => this.#demand.starved,
      waits: (lane) => this.#pump.taking || lane.starved,
      onOutOfRange: options.source.onOutOfRange,
      onGap: (gap) => {
        this.#report(gap);
      },
      onFailure: this.#fail,
      onError: (error) => {
        this.#failures.lookUp(error);
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
        this.#failures.read(error);
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
      onError: this.#emitError,
      scheduler,
    });
    this.#restarts = this.#restarting();
    this.#overtaken = new Overtaken({
      group: options.group,
      onFailure: this.#fail,
      scheduler,
    });
    this.#failures = this.#failing();
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
      onError: this.#emitError,
    });
  }

  #failing(): SessionFailures {
    return new SessionFailures({
      group: this.#options.group,
      member: this.#member,
      lanes: () => this.#lanes.all(),
      onLost: () => {
        this.#end(this.#lanes.all(), 'lost');
      },
      onPositionGone: () => {
        this.#rangeGuard.check();
      },
      onFailure: this.#fail,
      onError: this.#emitError,
      scheduler: this.#scheduler,
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
      onFailure: this.#fail,
    });
  }

  start(): void {
    if (this.#stopped) return;
    this.#sampler.start();
    this.#rebalances$.pipe(concatMap((answer) => this.#survive(answer))).subscribe({
      error: this.#fail,
    });
    from(this.#member.connect()).subscribe({
      complete: () => {
        if (this.#stopped) return;
        this.#pump.start();
        this.#rangeGuard.start();
      },
      error: this.#fail,
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
    this.#overtaken.stop();
    this.#failures.stop();
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

  /** Ends the stream. */
  readonly #fail = (error: unknown): void => {
    const isFirst = !this.#stopped;
    this.#delivery.error(error);
    // Afterwards: whoever closes everything on hearing of it must not turn the error into a completion.
    if (isFirst) this.#options.emit({ type: 'failed', name: this.#options.group, error: error as Error });
  };

  /** The stream goes on. */
  readonly #emitError = (error: unknown): void => {
    this.#options.emit({ type: 'error', client: `consumer of ${this.#options.group}`, error: error as Error });
  };

  #report(gap: Gap): void {
    const { group, source, emit } = this.#options;
    emit({ type: 'gap', group, ...gap });
    source.onGap(gap);
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
    return defer(() => {
      if (this.#stopped) throw new Error('leaving');
      return this.#claim(partitions);
    }).pipe(
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

  #claim(partitions: readonly TopicPartition[]): Observable<readonly Start[]> {
    const { group, source, mirror, onStateStale, emit } = this.#options;
    return claimStarts(partitions, {
      group,
      offsets: this.#offsets,
      mirror,
      member: this.#member,
      policy: source,
      restarts: this.#restarts,
      onStateStale,
      emit,
      onGap: (gap) => {
        this.#lanes.tallyOf(gap).misses += gap.to - gap.from;
        this.#report(gap);
      },
      onError: this.#emitError,
    });
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
              this.#restarts.trySetBack(taken, starting),
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
          this.#overtaken.settle(partitions);
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
    // What the group has taken away by now nobody disputes.
    const disputed = lanes.filter((lane) => this.#isCurrent(lane));
    if (disputed.length === 0) return;
    this.#end(disputed, 'lost');
    this.#overtaken.add(disputed);
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
