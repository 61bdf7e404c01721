import { NEVER, mergeMap, of } from 'rxjs';
import { Kafka, commit, fromTopic, openOffsets, serveStats } from '../../src/index.js';
import { numberOf } from '../support/numbered.js';

/**
 * Finishes every third record and keeps all others open, serves its statistics at a socket, and tells its parent of each sample, until it is killed:
 * `finishesSome.js <brokers> <topic> <group> <store> <socket>`.
 */
const [brokers, topic, group, store, socket] = process.argv.slice(2) as [string, string, string, string, string];
const kafka = new Kafka({ brokers: brokers.split(',') });
await serveStats(kafka, socket);
const offsets = openOffsets(store);
// With a name of its own: the next one takes its place at once.
const properties = { 'group.instance.id': 'one' };
fromTopic(kafka, topic, { group, offsets, properties, statsEveryMs: 100, onStats: (stats) => process.send?.(stats) })
  .pipe(
    mergeMap((record) => (numberOf(record) % 3 === 0 ? of(record) : NEVER)),
    commit(),
  )
  .subscribe();
