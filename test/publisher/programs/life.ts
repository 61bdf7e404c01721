import { Kafka, publisher } from '../../../src/index.js';
import { AppendOnly } from '../../kill/appendOnly.js';

/** What the supervisor tells this program, as JSON in its only argument. */
export interface LifeOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly spill: string;
  readonly journal: string;
  readonly life: number;
  readonly order: 'none' | 'key';
  /** Send nothing before all that is on disk has arrived. */
  readonly patient: boolean;
  /** Send nothing more, and end when nothing is left to be replayed. */
  readonly last: boolean;
  /** A mistake that the verifier has to find. */
  readonly planted: 'disk before it is written' | undefined;
}

const KEYS = 40;
const PER_TICK = 6;

const { brokers, topic, spill, journal, life, order, patient, last, planted } = JSON.parse(process.argv[2] as string) as LifeOptions;
const file = new AppendOnly(journal);
const kafka = new Kafka({ brokers });
const out = publisher(kafka, { topic, spill, order, attemptTimeoutMs: 300, probeTimeoutMs: 200, maxBackoffMs: 100, retries: 1 });

if (last) {
  void out.state$.forEach((state) => {
    if (state === 'kafka' && out.stats().onDisk.records === 0) process.send?.('empty');
  });
  process.on('message', () => {
    void kafka.close().then(() => process.exit());
  });
} else {
  let next = 0;
  let waiting = patient;
  setInterval(() => {
    waiting &&= out.stats().state !== 'kafka';
    if (waiting) return;
    for (let i = 0; i < PER_TICK; i += 1) {
      const number = (next += 1);
      const key = `k${number % KEYS}`;
      const id = `${life}.${key}.${Math.floor(number / KEYS)}`;
      const { accepted } = out.send(key, id, {
        onOutcome: ({ where }) => {
          file.line(where, id);
        },
      });
      if (accepted && planted !== undefined && out.stats().state === 'spilling') file.line('disk', id);
    }
  }, 1);
}
process.on('disconnect', () => process.exit());
