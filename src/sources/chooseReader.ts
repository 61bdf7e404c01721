import { addon, isOf } from '../addon.js';
import type { Kafka } from '../kafka.js';
import { tellOfNoAddon } from '../noAddon.js';
import { nativeReader } from './nativeReader.js';
import type { Consume, Reader } from './reader.js';
import { plainReader } from './reader.js';

/** The C++ object behind a consumer of node-rdkafka. */
export interface ConsumerClient {
  consume: Consume;
}

/** The fastest reader that there is for this consumer. Where it is the plain one, the cluster's events say why, once; unless it was asked for. */
export function chooseReader(kafka: Kafka, client: ConsumerClient): Reader {
  const plain = plainReader((timeoutMs, max, done) => {
    client.consume(timeoutMs, max, done);
  });
  if (process.env['KAFKA_RX_READER'] === 'plain') return plain;
  const found = addon();
  if ('addon' in found) {
    const { addon: native } = found;
    if (isOf('KafkaConsumer', client) && native.accepts(client)) {
      return nativeReader(
        (maxRecords, maxBytes, waitMs, done) => {
          native.read(client, maxRecords, maxBytes, waitMs, done);
        },
        () => {
          native.wake(client);
        },
      );
    }
    tellOfNoAddon(kafka, "the consumer is not node-rdkafka's own");
  } else {
    tellOfNoAddon(kafka, found.reason);
  }
  return plain;
}
