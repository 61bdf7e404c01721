import { appendFile } from 'node:fs/promises';
import { Kafka, commit, drain, fromTopic, openOffsets } from 'kafka-rx';
import { bufferTime, concatMap, filter } from 'rxjs';

// Records go to a file in bulks: as many as come in 200 ms, and no more than 500. The file stands for what is slow one by one.
const { BROKERS = 'localhost:9092', READINGS = 'readings', BULKS = './bulks.jsonl', OFFSETS = './offsets' } = process.env;
const stop = new AbortController();
process.once('SIGTERM', () => {
  stop.abort();
});
const { signal } = stop;
const kafka = new Kafka({ brokers: BROKERS.split(',') });
const offsets = openOffsets(OFFSETS);

const stored$ = fromTopic(kafka, READINGS, { group: 'storing', offsets, signal }).pipe(
  bufferTime(200, null, 500),
  filter((bulk) => bulk.length > 0),
  concatMap(async (bulk) => {
    await appendFile(BULKS, `${JSON.stringify(bulk.map(({ value }) => String(value)))}\n`);
    return bulk;
  }),
  // A bulk is remembered as a whole, once it is in the file.
  commit(),
);

await drain(stored$, { signal, timeoutMs: 10_000 });
await kafka.close();
await offsets.close();
