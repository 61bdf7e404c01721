export { Kafka } from './kafka.js';
export type { KafkaOptions, Logger, Properties, SaslOptions, SslOptions } from './kafka.js';
export type {
  Admin,
  AdminCallOptions,
  BrokerDescription,
  CreateTopicOptions,
  GroupLag,
  GroupOptions,
  LogPlace,
  PartitionDescription,
  ResetOptions,
  TopicDescription,
} from './admin/admin.js';
export type { KafkaEvent } from './events.js';
export type { Latency } from './latency.js';

export { serveStats } from './serveStats.js';
export type { ServedStats, StatsServer } from './serveStats.js';
export type { PartitionStats, SourceState, SourceStats, SourceTotals } from './sources/sourceStats.js';
export type { ProducerStats } from './sinks/producerStats.js';

export { fromPartitions } from './sources/partitions.js';
export type { FromPartitionsOptions } from './sources/partitions.js';
export type { WorkerSlot } from './sources/share.js';
export type { KafkaSource, MeasuredSource } from './sources/kafkaSource.js';
export type { SeekTarget } from './sources/seekTargets.js';
export { readTopic } from './sources/read.js';
export type { ReadTopicOptions } from './sources/read.js';
export type { ReadPlace, ReadPlaces } from './sources/readPlaces.js';
export { fromTopicByPartition } from './sources/byPartition.js';
export { fromTopic } from './sources/topic.js';
export type { FromTopicOptions } from './sources/topic.js';
export type { From, SourceOptions } from './sources/sourceOptions.js';

export { bytes, json, text } from './codecs.js';
export type { Codec, JsonOptions } from './codecs.js';

export { batch } from './operators/batch.js';
export type { BatchOptions } from './operators/batch.js';
export { commit } from './operators/commit.js';
export type { CommitOptions } from './operators/commit.js';
export { deadLetter } from './operators/deadLetter.js';
export type { DeadLetter } from './operators/deadLetter.js';
export { Poison, decode } from './operators/decode.js';
export type { DecodeOptions } from './operators/decode.js';
export { filterValue } from './operators/filterValue.js';
export { gate } from './operators/gate.js';
export { mapValue } from './operators/mapValue.js';
export { processRecord } from './operators/processRecord.js';
export type { ProcessRecordOptions, Processed } from './operators/processRecord.js';
export { release } from './operators/release.js';
export { retryRecord } from './operators/retryRecord.js';
export type { RetryRecordOptions } from './operators/retryRecord.js';
export type { Order } from './turns.js';
export type { Attempt } from './processing.js';
export type { Failure, OnFailure } from './failures.js';

export { produceAll, produced } from './sinks/produceAll.js';
export type { ProduceAllOptions, Produced } from './sinks/produceAll.js';
export { publish } from './sinks/publish.js';
export type { PublishOptions, Published } from './sinks/publish.js';
export { publisher } from './sinks/publisher.js';
export type { Publisher, PublisherOptions, SendOptions, SendResult } from './sinks/publisher.js';
export type { Drop, PublisherState, PublisherStats, Rejection } from './sinks/publisherStats.js';
export type { PublishOutcome } from './sinks/publishOutcome.js';
export type { Backlog } from './sinks/spill.js';
export { toTopic } from './sinks/toTopic.js';
export type { Outgoings, ProducerSettings, ToTopicOptions } from './sinks/toTopic.js';
export { toTransaction } from './sinks/toTransaction.js';
export type { ToTransactionOptions } from './sinks/toTransaction.js';

export { openOffsets } from './offsets/lmdb.js';
export type { OpenOffsetsOptions } from './offsets/lmdb.js';
export { groupOffsets } from './offsets/group.js';
export { memoryOffsets } from './offsets/memory.js';
export type { ApplyWrite, Checkpoint, Claim, GroupCommits, OffsetStore } from './offsets/store.js';
export type { ApplyState, StateKey, StateKeyPart, StateRange, StateReader, StateTable, StateTransaction } from './state.js';

export { health } from './telemetry/health.js';
export type { Health, HealthStatus } from './telemetry/health.js';
export type { Observed } from './telemetry/figures.js';
export { meter } from './telemetry/meter.js';
export { prometheus } from './telemetry/prometheus.js';
export type { PromClient } from './telemetry/prometheus.js';
export { tracing } from './telemetry/tracing.js';
export type { Tracing, TracingOptions } from './telemetry/tracing.js';
export type { Meter, OpenTelemetryApi } from './telemetry/openTelemetry.js';

export { drain } from './drain.js';
export type { DrainOptions } from './drain.js';

export { detach } from './record.js';
export type { Delivery, Headers, KafkaRecord, ProducerHeaders, ProducerRecord, TimestampType } from './record.js';
export type { Gap, GroupTransaction, Position, Positioned, StaleState, TopicPartition, TransactionMember } from './position.js';

export * from './errors.js';
