/**
 * Writes so many records, and reads them while members join and leave; prints how many were read: `rebalances.js <brokers> <topic> <records>`.
 *
 * For a look at the addon under valgrind: it is read, written, paused, and closed amid a read.
 */
import { range, tap } from 'rxjs';
import { Kafka, commit, drain, fromTopic, memoryOffsets, toTopic } from '../../src/index.js';

const [brokers, topic, count] = process.argv.slice(2) as [string, string, string];
const records = Number(count);
const JOINS = 6;

await using kafka = new Kafka({ brokers: brokers.split(','), connectTimeoutMs: 120_000 });
await drain(
  range(0, records).pipe(
    toTopic(kafka, topic, (n) => ({
      key: n % 3 === 0 ? null : `k-${n}`,
      value: n % 7 === 0 ? null : `${n}`,
      headers: n % 2 === 0 ? [] : [['n', `${n}`]],
    })),
  ),
);
const seen = new Set<string>();
const stop = new AbortController();
const member$ = (signal: AbortSignal) =>
  fromTopic(kafka, topic, { group: topic, offsets: memoryOffsets(), signal, maxInFlight: 500 }).pipe(
    tap(({ partition, offset }) => {
      seen.add(`${partition}/${offset}`);
      if (seen.size === records) stop.abort();
    }),
    commit(),
  );
const resident = drain(member$(stop.signal));
for (let joined = 1; joined <= JOINS && !stop.signal.aborted; joined += 1) {
  const leave = new AbortController();
  const end = joined / (JOINS + 1);
  await drain(
    member$(AbortSignal.any([leave.signal, stop.signal])).pipe(
      tap(() => {
        if (seen.size >= end * records) leave.abort();
      }),
    ),
  );
}
await resident;
process.stdout.write(JSON.stringify({ records, read: seen.size, version: Kafka.librdkafkaVersion }));
