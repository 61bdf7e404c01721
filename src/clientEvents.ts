import type { Cluster } from './cluster.js';
import { BrokerError } from './errors.js';
import type { RdkafkaError } from './rdkafka.js';
import { codeOf } from './rdkafka.js';

/** The part of a node-rdkafka client that reports. */
interface Reporting {
  on(event: 'event.log', listener: (log: { severity: number; fac: string; message: string }) => void): unknown;
  on(event: 'event.error', listener: (error: RdkafkaError) => void): unknown;
  on(event: 'event.stats', listener: (stats: { message: string }) => void): unknown;
  on(event: 'event.throttle', listener: (throttle: { throttleTime?: number; brokerName?: string }) => void): unknown;
}

/** syslog's levels. */
const ERROR = 3;
const WARNING = 4;
const INFO = 6;

export interface ForwardOptions {
  /** How events call the client. */
  readonly name: string;
  /** Gets librdkafka's statistics too. */
  readonly onStats?: (stats: unknown) => void;
}

/** Passes what a client reports on to `kafka.events$`. */
export function forwardEvents(kafka: Cluster, client: object, { name, onStats }: ForwardOptions): void {
  const reporting = client as Reporting;
  reporting.on('event.log', ({ severity, fac, message }) => {
    const text = `${fac}: ${message}`;
    // The client reports its errors as events only while it is polled, so not while it connects; its log comes at once.
    if (severity <= ERROR) kafka.emit({ type: 'error', client: name, error: new BrokerError(text, { kafkaCode: -1, retriable: true }) });
    else
      kafka.emit({ type: 'log', level: severity <= WARNING ? 'warn' : severity <= INFO ? 'info' : 'debug', client: name, message: text });
  });
  reporting.on('event.error', (error) => {
    kafka.emit({ type: 'error', client: name, error: new BrokerError(error.message, { kafkaCode: codeOf(error), retriable: true }) });
  });
  reporting.on('event.stats', ({ message }) => {
    const stats = JSON.parse(message) as unknown;
    onStats?.(stats);
    kafka.emit({ type: 'stats', client: name, stats });
  });
  reporting.on('event.throttle', ({ throttleTime, brokerName }) => {
    kafka.emit({ type: 'throttle', client: name, broker: brokerName ?? '', throttleMs: throttleTime ?? 0 });
  });
}
