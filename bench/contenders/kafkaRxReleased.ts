/** The same pipeline without a memory: what `commit()` costs is the difference. */
import { map, take, tap } from 'rxjs';
import { Kafka, drain, fromTopic, memoryOffsets, release } from '../../src/index.js';
import { Meter, taskOfThisProcess } from '../measured.js';

const task = taskOfThisProcess();
const meter = new Meter(task);
await using kafka = new Kafka({ brokers: task.brokers });

await drain(
  fromTopic(kafka, task.topic, { group: task.group, offsets: memoryOffsets() }).pipe(
    map((record) => ({ ...record, value: record.value?.length ?? 0 })),
    release(),
    tap(() => meter.count(1)),
    take(task.records),
  ),
);
meter.report();
process.disconnect();
