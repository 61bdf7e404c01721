import { tap } from 'rxjs';
import type { KafkaRecord } from '../../src/index.js';
import { Kafka, commit, drain, fromTopic, openOffsets } from '../../src/index.js';

/** Reads a topic with one partition to its last record, goes back to an offset, and is killed as soon as that is done. */
const [brokers, topic, group, store, last, to] = process.argv.slice(2) as [string, string, string, string, string, string];
const kafka = new Kafka({ brokers: brokers.split(',') });
const orders$ = fromTopic(kafka, topic, { group, offsets: openOffsets(store), properties: { 'session.timeout.ms': 6_000 } });
const read$ = orders$.pipe(commit({ emit: 'durable' }));
const last$ = read$.pipe(
  tap(({ offset }: KafkaRecord) => {
    if (offset < Number(last)) return;
    void orders$.seek({ topic, partition: 0, offset: Number(to) }).then(() => {
      process.kill(process.pid, 'SIGKILL');
    });
  }),
);
await drain(last$);
