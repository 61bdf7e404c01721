/** Reads ten records of a topic twice, and prints the notices on the way: `readsTwice.js <brokers> <topic> <group>`. */
import { take, tap } from 'rxjs';
import { Kafka, commit, drain, fromTopic, memoryOffsets } from '../../src/index.js';

const [brokers, topic, group] = process.argv.slice(2) as [string, string, string];
const notices: string[] = [];
const offsets: number[] = [];
{
  await using kafka = new Kafka({ brokers: brokers.split(',') });
  void kafka.events$.forEach((event) => {
    if (event.type === 'notice') notices.push(event.message);
  });
  for (const time of ['first', 'second']) {
    await drain(
      fromTopic(kafka, topic, { group: `${group}-${time}`, offsets: memoryOffsets() }).pipe(
        tap(({ offset }) => offsets.push(offset)),
        commit(),
        take(10),
      ),
    );
  }
}
process.stdout.write(JSON.stringify({ notices, offsets }));
