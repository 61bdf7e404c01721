import type { MonoTypeOperatorFunction } from 'rxjs';
import { Observable, Subscription } from 'rxjs';
import { assertPositioned } from '../assertPositioned.js';
import { listen } from '../listen.js';
import type { Journal, LostPosition, Positioned } from '../position.js';
import { LANE } from '../position.js';

/**
 * Says that records are finished without remembering them, and passes its values on unchanged.
 *
 * The credit comes back at once, so the source goes on; after a restart the records come again. For streams that only watch, and for records
 * that are to be tried again by the next run.
 *
 * ```text
 * values    --a--b-----c--|
 *           release()
 * result    --a--b-----c--|
 * on disk   ---------------
 * ```
 *
 * @returns The same values.
 *
 * @example
 * ```ts
 * fromTopic(kafka, 'prices', { group: 'ticker', offsets: memoryOffsets(), from: 'latest' }).pipe(release());
 * ```
 */
export function release<T extends Positioned | readonly Positioned[] | LostPosition>(): MonoTypeOperatorFunction<T>;
export function release<T extends Positioned | readonly Positioned[]>(): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable<T>((subscriber) => {
      const journals = new Set<Journal>();
      const attachments = new Subscription();
      subscriber.add(attachments);
      const attachTo = ({ [LANE]: { journal } }: Positioned): void => {
        if (journals.has(journal)) return;
        journals.add(journal);
        attachments.add(journal.attach('release'));
      };
      const releaseOne = ({ offset, [LANE]: lane }: Positioned): void => {
        lane.release(offset);
      };
      listen(source, subscriber, {
        next: (value) => {
          assertPositioned('release', value);
          // Attached first: a source that ends inside this very `next` must know that somebody is here to finish the record.
          if (Array.isArray(value)) (value as readonly Positioned[]).forEach(attachTo);
          else attachTo(value as Positioned);
          subscriber.next(value);
          if (Array.isArray(value)) (value as readonly Positioned[]).forEach(releaseOne);
          else releaseOne(value as Positioned);
        },
        complete: () => {
          subscriber.complete();
        },
      });
    });
}
