import type { Compression, Work } from './task.js';

/** One thing that is measured: a row of bars in a chart. */
export interface Case {
  readonly name: string;
  readonly work: Work;
  readonly records: number;
  readonly bytes: number;
  readonly compression: Compression;
  readonly headers: boolean;
  readonly partitions: number;
  /** Latency: records per second, as they are written while somebody reads. Absent: the topic is full before. */
  readonly perSecond?: number;
  readonly warmUp?: number;
  readonly openRuns?: number;
}

export type Figure = 'recordsPerSecond' | 'latency' | 'cpuMicrosPerRecord';

/** Two cases, by name. */
export interface Compares {
  readonly of: string;
  readonly against: string;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly cases: readonly Case[];
  /** What is compared, and what is better. */
  readonly figure: Figure;
  /** What one case costs against another: each round goes through all cases then, for a ratio counts only within a round. */
  readonly compares?: Compares;
}

export interface Size {
  readonly records: number;
  readonly partitions: number;
  readonly latencySeconds: number;
  readonly maxRuns: number;
}

const SMALL = 100;
const LARGE = 1_024;
const RUNS = [1, 1_000, 100_000, 1_000_000, 10_000_000];

/** Everything that can be measured. Of values of 1 KB fewer are written: they weigh ten times as much, on the disk too. */
export function scenarios({ records, partitions, latencySeconds, maxRuns }: Size): readonly Scenario[] {
  const plain = { records, bytes: SMALL, compression: 'none', headers: false, partitions } as const;
  const lz4 = { ...plain, compression: 'lz4' } as const;
  const fewer = Math.ceil(records / 2);
  const runsRecords = Math.min(records, 100_000);
  return [
    {
      name: 'consume',
      title: 'Consume',
      figure: 'recordsPerSecond',
      cases: [
        { ...plain, work: 'consume', name: '100 B' },
        { ...lz4, work: 'consume', name: '100 B, lz4' },
        { ...plain, work: 'consume', name: '100 B, two headers', headers: true },
        { ...lz4, work: 'consume', name: '1 KB, lz4', bytes: LARGE },
      ],
    },
    {
      name: 'produce',
      title: 'Produce',
      figure: 'recordsPerSecond',
      cases: [
        { ...plain, work: 'produce', name: '100 B' },
        { ...lz4, work: 'produce', name: '100 B, lz4' },
        { ...plain, work: 'produce', name: '1 KB', bytes: LARGE, records: fewer },
        { ...lz4, work: 'produce', name: '1 KB, lz4', bytes: LARGE, records: fewer },
      ],
    },
    {
      name: 'latency',
      title: 'Latency of reading',
      figure: 'latency',
      cases: [50, 5_000].map((perSecond) => ({
        ...plain,
        work: 'consume',
        name: `${perSecond.toLocaleString('en')} records/s`,
        perSecond,
        // The first second is for clients to get going.
        warmUp: perSecond,
        records: perSecond * (latencySeconds + 1),
      })),
    },
    {
      name: 'transform',
      title: 'Consume, transform, produce, commit',
      figure: 'recordsPerSecond',
      cases: [{ ...lz4, work: 'transform', name: '100 B, lz4' }],
    },
    {
      name: 'partitions',
      title: 'Consume, by number of partitions',
      figure: 'recordsPerSecond',
      compares: { of: '1,000 partitions', against: '12 partitions' },
      cases: [1, 12, 100, 1_000].map((count) => ({
        ...lz4,
        work: 'consume',
        name: count === 1 ? '1 partition' : `${count.toLocaleString('en')} partitions`,
        partitions: count,
      })),
    },
    {
      name: 'runs',
      title: 'Cost of a record beyond open runs',
      figure: 'cpuMicrosPerRecord',
      cases: RUNS.filter((openRuns) => openRuns <= maxRuns).map((openRuns) => ({
        ...lz4,
        work: 'runs',
        name: openRuns === 1 ? '1 run' : `${openRuns.toLocaleString('en')} runs`,
        partitions: 1,
        openRuns,
        records: runsRecords,
      })),
    },
  ];
}
