import { filter } from 'rxjs';
import { Kafka, commit, fromTopic, memoryOffsets } from '../../../src/index.js';
import { rdkafka } from '../../../src/rdkafka.js';

/** Calls `process.exit` so many turns of the event loop after its client has begun to disconnect. */
const [broker = '', topic = '', protocol = '', turns = '0'] = process.argv.slice(2);
interface Client {
  disconnect(done: () => void): void;
}
const client = rdkafka().KafkaConsumer.prototype as Client;
// eslint-disable-next-line @typescript-eslint/unbound-method -- It is bound where it is called.
const { disconnect } = Object.getPrototypeOf(client) as Client;
client.disconnect = function (done) {
  disconnect.call(this, done);
  let left = Number(turns);
  const exit = (): void => {
    if (left === 0) process.exit(0);
    left -= 1;
    setImmediate(exit);
  };
  exit();
};
const kafka = new Kafka({ brokers: [broker], properties: { 'group.protocol': protocol } });
const assigned = new Promise((resolve) => {
  void kafka.events$.pipe(filter(({ type }) => type === 'assigned')).forEach(resolve);
});
fromTopic(kafka, topic, { group: `exit-${process.pid}`, offsets: memoryOffsets() })
  .pipe(commit())
  .subscribe();
await assigned;
await kafka.close();
