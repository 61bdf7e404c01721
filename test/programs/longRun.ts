/** Writes so many records, reads them all and remembers them, and prints what it held on the way: `longRun.js <brokers> <topic> <records> <folder>`. */
import { readdirSync } from 'node:fs';
import { Observable, tap } from 'rxjs';
import { Kafka, commit, drain, fromTopic, openOffsets, toTopic } from '../../src/index.js';

const [brokers, topic, count, folder] = process.argv.slice(2) as [string, string, string, string];
const records = Number(count);
const WINDOW = 10_000;
const SAMPLES = 40;

/** What the process holds, now and then. */
class Held {
  readonly residentBytes: number[] = [];
  readonly descriptors: number[] = [];
  #seen = 0;

  /** Answers how many there have been. */
  count(): number {
    this.#seen += 1;
    if (this.#seen % Math.floor(records / SAMPLES) === 0) {
      this.residentBytes.push(process.memoryUsage.rss());
      this.descriptors.push(readdirSync('/proc/self/fd').length);
    }
    return this.#seen;
  }
}

const written = new Held();
const read = new Held();
{
  await using kafka = new Kafka({ brokers: brokers.split(',') });
  let more: () => void = () => undefined;
  let [sent, acknowledged] = [0, 0];
  const numbers$ = new Observable<number>((subscriber) => {
    more = () => {
      for (; sent < records && sent - acknowledged < WINDOW; sent += 1) subscriber.next(sent);
      if (sent === records) subscriber.complete();
    };
    more();
  });
  await drain(
    numbers$.pipe(
      toTopic(kafka, topic, (n) => ({ key: `k-${n % 1_000}`, value: `{"number":${n},"note":"${'a long run '.repeat(6)}"}` }), {
        compression: 'lz4',
        result: (n, [delivery]) => [n, delivery?.offset] as const,
      }),
      tap(() => {
        acknowledged = written.count();
        if (acknowledged % 500 === 0) more();
      }),
    ),
  );
}
{
  await using kafka = new Kafka({ brokers: brokers.split(',') });
  await using offsets = openOffsets(folder);
  const stop = new AbortController();
  await drain(
    fromTopic(kafka, topic, { group: topic, offsets, signal: stop.signal }).pipe(
      commit(),
      tap(() => {
        if (read.count() === records) stop.abort();
      }),
    ),
  );
}
process.stdout.write(JSON.stringify({ written, read }));
