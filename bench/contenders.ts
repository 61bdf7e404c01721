import type { Absent } from './absent.js';
import { NOT_ASKED } from './absent.js';
import type { Work } from './task.js';

/** Who takes part, and how its process is started. */
export interface Contender {
  readonly name: string;
  /** The compiled file in contenders/. */
  readonly program: string;
  /** The package in bench/ that it needs. */
  readonly peer?: string;
  /** The Node versions that it needs, each opening a major; by default whatever Node runs the bench. */
  readonly node?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** For Node itself. */
  readonly execArgv?: readonly string[];
  /** What it is not asked to do, for it would be no different. */
  readonly not?: readonly Work[];
  /** Takes part only when it is asked for by name. */
  readonly byName?: boolean;
}

/** In the order of tables and charts. Ratios are to the first one that takes part. */
export const CONTENDERS: readonly Contender[] = [
  { name: 'kafka-rx', program: 'kafkaRx' },
  { name: 'kafka-rx-plain', program: 'kafkaRx', environment: { KAFKA_RX_READER: 'plain', KAFKA_RX_PRODUCER: 'plain' }, byName: true },
  { name: 'kafka-rx-native', program: 'kafkaRx', environment: { KAFKA_RX_READER: 'native', KAFKA_RX_PRODUCER: 'native' }, byName: true },
  {
    name: 'kafka-rx without commit',
    program: 'kafkaRx',
    environment: { KAFKA_RX_BENCH: 'released' },
    not: ['produce', 'transform', 'runs'],
  },
  { name: 'node-rdkafka tuned', program: 'nodeRdkafka', not: ['runs'] },
  { name: 'node-rdkafka naive', program: 'nodeRdkafkaNaive', not: ['runs'] },
  { name: 'kafkajs', program: 'kafkajs', peer: 'kafkajs', not: ['runs'] },
  { name: '@platformatic/kafka', program: 'platformatic', peer: '@platformatic/kafka', node: ['22.22', '24.6'], not: ['runs'] },
  { name: '@confluentinc/kafka-javascript', program: 'confluent', peer: '@confluentinc/kafka-javascript', not: ['runs'] },
];

/** Those that were asked for, by default all that need not be asked for. */
export function chosen(names: string | undefined): readonly Contender[] {
  if (names === undefined) return CONTENDERS.filter(({ byName }) => byName !== true);
  return names.split(',').map((wanted) => {
    const contender = CONTENDERS.find(({ name }) => name === wanted.trim());
    if (!contender)
      throw new Error(`There is no contender "${wanted.trim()}"; there are: ${CONTENDERS.map(({ name }) => name).join(', ')}.`);
    return contender;
  });
}

/** Whether it has something to show in this work. */
export function does({ not }: Contender, work: Work): boolean {
  return not?.includes(work) !== true;
}

/** Who could do this work and was not chosen: results say so, or nobody would know that figures are missing. */
export function leftOut(taking: readonly Contender[], work: Work): Absent[] {
  const names = new Set(taking.map(({ name }) => name));
  return CONTENDERS.filter((contender) => contender.byName !== true && does(contender, work) && !names.has(contender.name)).map(
    ({ name }) => ({ name, reason: NOT_ASKED }),
  );
}
