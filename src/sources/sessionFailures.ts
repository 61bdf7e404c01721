import type { SchedulerLike, Subscription } from 'rxjs';
import { from } from 'rxjs';
import { brokerError, isUnknownTopic, unknownTopics } from '../brokerErrors.js';
import { BrokerError, FencedError } from '../errors.js';
import { bare } from '../position.js';
import type { PartitionLane } from './lane.js';
import type { Membership } from './membership.js';
import { AUTO_OFFSET_RESET, FATAL, MAX_POLL_EXCEEDED, PASSING } from './readFailures.js';
import type { ReadError } from './reader.js';

export interface SessionFailuresOptions {
  readonly group: string;
  readonly member: Pick<Membership, 'missing'>;
  readonly lanes: () => readonly PartitionLane[];
  /** The group has taken all partitions away, for it has not heard of this member for too long. */
  readonly onLost: () => void;
  /** A position is no longer in its log. */
  readonly onPositionGone: () => void;
  /** The stream ends. */
  readonly onFailure: (error: unknown) => void;
  /** The stream goes on. */
  readonly onError: (error: unknown) => void;
  readonly scheduler: SchedulerLike;
}

/** How long to wait for the reason why the client gave up. */
const REASON_MS = 1_000;

/** Tells the failures of a source that remembers which end the stream from those with which it goes on. */
export class SessionFailures {
  readonly #options: SessionFailuresOptions;
  /** The end of the stream, if the client gave up and does not say why. */
  #withoutReason: Subscription | undefined;

  constructor(options: SessionFailuresOptions) {
    this.#options = options;
  }

  /** A read has met this. */
  read(error: ReadError): void {
    const { onLost, onPositionGone, onFailure, onError, scheduler } = this.#options;
    if (error.code === MAX_POLL_EXCEEDED) {
      onError(
        brokerError(
          'nothing was read for longer than max.poll.interval.ms: the event loop stood still, or the work on what was read took that long',
          error,
        ),
      );
      onLost();
    } else if (PASSING.has(error.code)) {
      onError(brokerError('reading failed, and goes on', error));
    } else if (error.code === FATAL) {
      // The client's log has the reason, and may be a moment later.
      this.#withoutReason ??= scheduler.schedule(() => {
        this.#gaveUp(error);
      }, REASON_MS);
    } else if (error.code === AUTO_OFFSET_RESET) {
      onPositionGone();
    } else if (isUnknownTopic(error.code)) {
      this.#topicGone(error);
    } else {
      onFailure(brokerError('reading failed', error));
    }
  }

  /** A look-up has met this. */
  lookUp(error: unknown): void {
    if (error instanceof BrokerError && isUnknownTopic(error.kafkaCode)) this.#topicGone(error);
    else this.#options.onError(error);
  }

  /** The client can do nothing more. */
  fatal(reason: string): void {
    const { group, lanes, onFailure } = this.#options;
    if (/fenced/i.test(reason)) {
      onFailure(
        new FencedError(
          `another member of group ${group} has the same \`group.instance.id\`, and took this one's place: give each member its own.`,
          lanes().map(bare),
        ),
      );
    } else this.#gaveUp({ code: FATAL, message: reason });
  }

  /** Nobody waits for a reason any more. */
  stop(): void {
    this.#withoutReason?.unsubscribe();
  }

  #gaveUp(error: ReadError): void {
    this.#options.onFailure(brokerError('the client gave up', error));
  }

  /** A topic was deleted: the end of a stream that names it, but not of one that names a pattern. */
  #topicGone(cause: ReadError | BrokerError): void {
    const { member, onFailure, onError } = this.#options;
    from(member.missing()).subscribe({
      next: (topics) => {
        if (topics.length > 0) onFailure(unknownTopics(topics));
        else onError(cause instanceof BrokerError ? cause : brokerError('reading a topic failed', cause));
      },
      error: onError,
    });
  }
}
