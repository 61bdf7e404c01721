import { UsageError, addresses, parsed } from '../commandLine.js';

export const USAGE = `Shows kafka-rx at work: makes orders, turns them into invoices in a second process, kills that one
in the middle of it, starts it again, and counts in the cluster what came of every single order.

  npm start                                 on an embedded cluster: no Docker, no Java
  npm start -- --brokers localhost:9092     on a cluster of yours

  --brokers host:port[,host:port]   the cluster; without TLS and without a password
  --orders-topic name               where the orders go       (kafka-rx-demo-orders)
  --invoices-topic name             where the invoices go     (kafka-rx-demo-invoices)
  --help                            this text

Exit code: 0 nothing was lost, 1 something was or the demo broke off, 2 it could not begin.
`;

export interface Arguments {
  /** The cluster to use. Default: an embedded one. */
  readonly brokers: readonly string[] | undefined;
  readonly orders: string;
  readonly invoices: string;
}

const OPTIONS = {
  'brokers': { type: 'string' },
  'orders-topic': { type: 'string' },
  'invoices-topic': { type: 'string' },
  'help': { type: 'boolean', short: 'h' },
} as const;

/** @throws {UsageError} for arguments that make no sense. @returns `'help'` if that is all that was asked for. */
export function parseArguments(args: readonly string[]): Arguments | 'help' {
  const { brokers, help, ...topics } = parsed(args, { options: OPTIONS }).values;
  if (help === true) return 'help';
  const orders = topicName(topics['orders-topic'] ?? 'kafka-rx-demo-orders');
  const invoices = topicName(topics['invoices-topic'] ?? 'kafka-rx-demo-invoices');
  if (orders === invoices) throw new UsageError('the orders and the invoices need a topic each.');
  return { brokers: brokers === undefined ? undefined : addresses(brokers), orders, invoices };
}

function topicName(name: string): string {
  if (/^[a-zA-Z0-9._-]{1,249}$/.test(name)) return name;
  throw new UsageError(`${JSON.stringify(name)} is no name of a topic: those are 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'.`);
}
