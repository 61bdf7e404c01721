import type { Positioned } from '../position.js';
import { LANE } from '../position.js';
import type { KafkaRecord, ProducerRecord } from '../record.js';
import type { Attributes } from './openTelemetry.js';

/** What a span is about: its name and its attributes, by OpenTelemetry's conventions for messaging. Neither keys nor values are among them. */
export interface SpanSubject {
  readonly name: string;
  readonly attributes: Attributes;
}

/** Work on a record. */
export function processing(record: KafkaRecord<unknown, unknown>, group: string | undefined): SpanSubject {
  return subject('process', record.topic, { ...ofGroup(group), ...placeOf(record) });
}

/** Work on several records at once. */
export function processingBatch(records: readonly KafkaRecord<unknown, unknown>[], group: string | undefined): SpanSubject {
  const partitions = new Set(records.map(({ partition }) => partition));
  const topic = common(records.map((record) => record.topic));
  return subject('process', topic, {
    ...ofGroup(group),
    'messaging.batch.message_count': records.length,
    ...(topic !== undefined && partitions.size === 1 ? { 'messaging.destination.partition.id': String(records[0]?.partition) } : {}),
  });
}

/** The making of a record that is to be written. */
export function creating(record: ProducerRecord, topic: string): SpanSubject {
  return subject('create', destinationOf(record) ?? topic, {
    ...(record.partition === undefined || LANE in record ? {} : { 'messaging.destination.partition.id': String(record.partition) }),
    ...tombstone(record),
  });
}

/** Where in the log a record stands. */
export function placeOf(record: KafkaRecord<unknown, unknown>): Attributes {
  return {
    'messaging.destination.partition.id': String(record.partition),
    'messaging.kafka.offset': record.offset,
    ...tombstone(record),
  };
}

function subject(operation: 'process' | 'create', topic: string | undefined, more: Attributes): SpanSubject {
  return {
    name: topic === undefined ? operation : `${operation} ${topic}`,
    attributes: {
      'messaging.system': 'kafka',
      'messaging.operation.name': operation,
      'messaging.operation.type': operation,
      ...(topic === undefined ? {} : { 'messaging.destination.name': topic }),
      ...more,
    },
  };
}

function ofGroup(group: string | undefined): Attributes {
  return group === undefined ? {} : { 'messaging.consumer.group.name': group };
}

function tombstone({ value }: { readonly value: unknown }): Attributes {
  return value === null ? { 'messaging.kafka.message.tombstone': true } : {};
}

/** A record that was spread over the one that it was made of says where that one came from, and this is not where it goes. */
function destinationOf(record: ProducerRecord & Partial<Positioned>): string | undefined {
  return record.topic === record[LANE]?.topic ? undefined : record.topic;
}

function common(topics: readonly string[]): string | undefined {
  return topics.every((topic) => topic === topics[0]) ? topics[0] : undefined;
}
