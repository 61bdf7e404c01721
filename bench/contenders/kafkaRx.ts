/** The whole pipeline of this library: records through an RxJS operator, each remembered in LMDB. */
import { map, take, tap } from 'rxjs';
import { Kafka, commit, drain, fromTopic, openOffsets } from '../../src/index.js';
import { Meter, taskOfThisProcess } from '../measured.js';

const task = taskOfThisProcess();
const meter = new Meter(task);
await using kafka = new Kafka({ brokers: task.brokers });
await using offsets = openOffsets(`${task.folder}/offsets`);

await drain(
  fromTopic(kafka, task.topic, { group: task.group, offsets }).pipe(
    map((record) => ({ ...record, value: record.value?.length ?? 0 })),
    commit(),
    tap(() => meter.count(1)),
    take(task.records),
  ),
);
meter.report();
process.disconnect();
