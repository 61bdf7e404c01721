import { BrokerUnavailableError, UnknownTopicError } from '../index.js';
import { UsageError } from '../commandLine.js';

/** Why the demo ended, for whoever called it. */
export interface Failure {
  readonly message: string;
  readonly exitCode: 1 | 2;
}

export function failureOf(error: unknown, brokers: readonly string[]): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UnknownTopicError) return { message: howToCreate(error.topics, brokers), exitCode: 2 };
  if (error instanceof UsageError) return { message: `${message}\nTry --help.`, exitCode: 2 };
  if (error instanceof BrokerUnavailableError) return { message, exitCode: 2 };
  return { message: `The demo broke off: ${message}`, exitCode: 1 };
}

function howToCreate(topics: readonly string[], brokers: readonly string[]): string {
  const command = (topic: string): string =>
    `  kafka-topics.sh --bootstrap-server ${brokers.join(',')} --create --topic ${topic} --partitions 4`;
  return [
    `This cluster has no ${topics.join(' and no ')}, and creates no topic by itself. Create what is missing, then start again:`,
    '',
    ...topics.map(command),
    '',
    'Or name topics that exist with --orders-topic and --invoices-topic: records that others left in them do no harm.',
  ].join('\n');
}
