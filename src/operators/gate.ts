import type { MonoTypeOperatorFunction, ObservableInput, Subscriber } from 'rxjs';
import { Observable, Subscription, from } from 'rxjs';
import { assertPositioned } from '../assertPositioned.js';
import { OptionError } from '../errors.js';
import { Fifo } from '../fifo.js';
import { listen } from '../listen.js';
import type { Journal, Keeper, LostPosition, Positioned } from '../position.js';
import { LANE } from '../position.js';

/**
 * Keeps values back while it is shut, and lets them go in their order when it opens.
 *
 * It is shut until `open` has said `true`. While it is, no more arrive than the source's `maxInFlight`, for they count as in flight; then
 * the source emits nothing, and stays a member of its group however long that takes: no rebalance, and no `StalledError`.
 *
 * ```text
 * open      t--f-----t--------
 * values    -a---b-c-----d---|
 *           gate(open)
 * result    -a-------(bc)d---|     b and c together, when it opens
 * ```
 *
 * @param open Says `true` and `false`, as often as it likes. When it has completed, its last word stays; when that was `false`, nothing goes
 * on any more, and the source ends with a `StalledError` after a while. When it errors, so does the stream.
 * @returns The same values. When the source completes, it does so too, once all that it keeps has gone on.
 * @throws {OptionError} without an Observable.
 *
 * @example
 * ```ts
 * const maintenance$ = new BehaviorSubject(false);
 * orders$.pipe(gate(maintenance$.pipe(map((now) => !now))), commit());
 * ```
 */
export function gate<T extends Positioned | readonly Positioned[] | LostPosition>(
  open: ObservableInput<boolean>,
): MonoTypeOperatorFunction<T>;
export function gate<T extends Positioned | readonly Positioned[]>(open: ObservableInput<boolean>): MonoTypeOperatorFunction<T> {
  // From plain JavaScript it may be missing.
  if ((open as unknown) === undefined || (open as unknown) === null)
    throw new OptionError('gate: the argument is an Observable of true and false.');
  return (source) =>
    new Observable<T>((subscriber) => {
      const gateway = new Gateway<T>(subscriber);
      subscriber.add(() => {
        gateway.leave();
      });
      listen(from(open), subscriber, {
        next: (isOpen) => {
          gateway.turn(isOpen);
        },
        complete: () => {
          gateway.stay();
        },
      });
      listen(source, subscriber, {
        next: (value) => {
          gateway.next(value);
        },
        complete: () => {
          gateway.sourceCompleted();
        },
      });
    });
}

/** The state of one subscription. */
class Gateway<T extends Positioned | readonly Positioned[]> {
  readonly #subscriber: Subscriber<T>;
  readonly #journals = new Set<Journal>();
  readonly #attachments = new Subscription();
  readonly #keeper: Keeper;
  readonly #values = new Fifo<T>();
  /** How many records they are. */
  #records = 0;
  #open = false;
  /** Whether it may still be turned. */
  #turns = true;
  #emitting = false;
  #completed = false;

  constructor(subscriber: Subscriber<T>) {
    this.#subscriber = subscriber;
    const kept = (): number => this.#records;
    const shut = (): boolean => !this.#open && this.#turns && this.#records > 0;
    this.#keeper = {
      get records() {
        return kept();
      },
      get shut() {
        return shut();
      },
      // Only `open` opens it.
      letGo: () => undefined,
    };
  }

  turn(open: boolean): void {
    this.#open = open;
    this.#letGo();
  }

  /** Nobody turns it any more. */
  stay(): void {
    this.#turns = false;
  }

  next(value: T): void {
    if (this.#open && !this.#emitting) {
      this.#subscriber.next(value);
      return;
    }
    assertPositioned('gate', value);
    this.#values.push(value);
    this.#records += count(value);
    if (Array.isArray(value)) (value as readonly Positioned[]).forEach(this.#keepFor);
    else this.#keepFor(value as Positioned);
  }

  sourceCompleted(): void {
    this.#completed = true;
    this.#letGo();
  }

  leave(): void {
    this.#attachments.unsubscribe();
    this.#values.clear();
  }

  /** What comes while something goes on waits for it: the loop gets there. */
  #letGo(): void {
    if (this.#emitting) return;
    this.#emitting = true;
    for (let value = this.#passing(); value !== undefined; value = this.#passing()) {
      this.#records -= count(value);
      this.#subscriber.next(value);
    }
    this.#emitting = false;
    if (this.#completed && this.#values.length === 0) this.#subscriber.complete();
  }

  /** What may go on. */
  #passing(): T | undefined {
    return this.#open ? this.#values.shift() : undefined;
  }

  readonly #keepFor = ({ [LANE]: lane }: Positioned): void => {
    const { journal } = lane;
    if (!this.#journals.has(journal)) {
      this.#journals.add(journal);
      this.#attachments.add(journal.addKeeper(this.#keeper));
    }
    journal.kept(lane);
  };
}

function count(value: Positioned | readonly Positioned[]): number {
  return Array.isArray(value) ? (value as readonly Positioned[]).length : 1;
}
