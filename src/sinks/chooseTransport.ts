import type { Producer } from 'node-rdkafka';
import { addon, isOf } from '../addon.js';
import type { Kafka } from '../kafka.js';
import { tellOfNoAddon } from '../noAddon.js';
import { NativeTransport } from './nativeTransport.js';
import type { ProducerHandle } from './plainTransport.js';
import { PlainTransport } from './plainTransport.js';
import type { Limits, Transport, TransportEvents } from './transport.js';

/** What is asked for, and what is to be kept. */
export interface Opening {
  /** Makes a producer that is not connected, with these settings beside its own. */
  readonly make: (reports: object) => Producer;
  readonly limits: Limits;
  readonly events: TransportEvents;
}

export interface Opened {
  readonly producer: Producer;
  readonly transport: Transport;
}

/** The fastest way to produce that there is. Where it is the plain one, the cluster's events say why, once; unless it was asked for. */
export function open(kafka: Kafka, opening: Opening): Opened {
  if (process.env['KAFKA_RX_PRODUCER'] === 'plain') return openPlain(opening);
  const found = addon();
  if ('addon' in found) {
    const { addon: native } = found;
    const { make, limits, events } = opening;
    const producer = make({ 'delivery.report.only.error': false });
    const handle = producer.getClient() as ProducerHandle;
    if (isOf('Producer', handle) && native.acceptsProducer(handle)) {
      const transport = new NativeTransport((onReports) => new native.Outbox(handle, onReports), limits, events);
      return { producer, transport };
    }
    tellOfNoAddon(kafka, "the producer is not node-rdkafka's own");
  } else {
    tellOfNoAddon(kafka, found.reason);
  }
  return openPlain(opening);
}

function openPlain({ make, limits, events }: Opening): Opened {
  // A report for each record: what is never reported would never be passed on.
  const producer = make({ 'dr_cb': true, 'delivery.report.only.error': false });
  const transport = new PlainTransport(producer.getClient() as ProducerHandle, limits, events);
  producer.on('delivery-report', (error, report) => {
    transport.report(error, report);
  });
  return { producer, transport };
}
