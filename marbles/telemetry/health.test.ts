import { describe, expect, it } from 'vitest';
import { BrokerError, StalledError } from '../../src/errors.js';
import type { KafkaEvent } from '../../src/events.js';
import type { SourceStats } from '../../src/sources/sourceStats.js';
import { health } from '../../src/telemetry/health.js';
import { partitionOf, statsOf } from '../support/stats.js';
import { inVirtualTime } from '../support/virtualTime.js';

const down = (client: string): KafkaEvent => ({
  type: 'error',
  client,
  error: new BrokerError('all down', { kafkaCode: -187, retriable: true }),
});

/** Samples: `s`tarting, `r`unning, `p`aused, `b` in a rebalance, `x` stopping; capitals of another source, `t` and `u` of a later subscription to the first; `1` and `2` with so many records in the log. */
const SAMPLES: Readonly<Record<string, SourceStats>> = {
  s: statsOf('billing', { state: 'starting' }),
  r: statsOf('billing'),
  p: statsOf('billing', { state: 'paused' }),
  b: statsOf('billing', { state: 'rebalancing' }),
  x: statsOf('billing', { state: 'stopping' }),
  S: statsOf('audit', { id: 2, state: 'starting' }),
  R: statsOf('audit', { id: 2 }),
  X: statsOf('audit', { id: 2, state: 'stopping' }),
  t: statsOf('billing', { id: 3, state: 'starting' }),
  u: statsOf('billing', { id: 3 }),
  1: statsOf('billing', { partitions: [partitionOf(0, { end: 1 })] }),
  2: statsOf('billing', { partitions: [partitionOf(0, { end: 2 })] }),
};

const EVENTS: Readonly<Record<string, KafkaEvent>> = {
  d: down('consumer of billing'),
  i: down('producer'),
  t: { type: 'error', client: 'consumer of billing', error: new BrokerError('transport', { kafkaCode: -195, retriable: true }) },
  a: { type: 'assigned', group: 'billing', partitions: [] },
  f: { type: 'failed', name: 'billing', error: new StalledError('no more', { positions: [], open: 0, stalledMs: 1 }) },
  l: { type: 'lost', group: 'billing', partitions: [], unfinished: 3 },
};

/** `L`ive only; `S` started as well; `R` ready as well; `-` nothing; `s` started, and no more. */
const STATES = {
  L: { started: false, ready: false, live: true },
  S: { started: true, ready: false, live: true },
  R: { started: true, ready: true, live: true },
  N: { started: false, ready: false, live: false },
  D: { started: true, ready: false, live: false },
};

describe('health', () => {
  it.each([
    ['a source that starts', '     --s--r--', '--------', 'L----R--'],
    ['one that has no credit left', '--r--p--', '--------', 'L-R-----'],
    ['a rebalance is not dead', '    --r-b--r', '----l---', 'L-R-S--R'],
    ['two sources', '              --S--R-s-r', '----------', 'L----R-S-R'],
    ['one that begins while another runs', '-r--S--R-', '---------', 'LR--S--R-'],
    ['one that ends before it has begun', '--S-r-X--', '---------', 'L-----R--'],
    ['one that ends in peace', '   --r--x--', '--------', 'L-R--S--'],
    ['one of two that ends', '     -rR--x--', '--------', 'LR------'],
    ['one that has failed', '      --r--x--', '----f---', 'L-R-D---'],
    ['one that never began', '     ------', '--f---', 'L-N---'],
    ['one that has failed and is tried again', '--r--xt-u-', '----f-----', 'L-R-D-S-R-'],
    ['one of two of a group that has failed', '-ru-----r-', '----f-----', 'LR--D-----'],
    ['brokers away, and assigned again', '--r-----r-', '---d---a--', 'L-RS---R--'],
    ['brokers away, until a log grows', '--1--1-12-', '---d------', 'L-RS----R-'],
    ['errors that are none of these', '--r---', '---ti-', 'L-R---'],
  ])('tells of %s', (_what, stats, events, expected) => {
    inVirtualTime(({ hot, expectObservable }) => {
      const { status$ } = health({ stats$: hot(stats.trim(), SAMPLES), events$: hot(events, EVENTS) });
      expectObservable(status$).toBe(expected, STATES);
    })();
  });

  it(
    'takes brokers for back 45 s after a source has looked for them in vain for the last time',
    inVirtualTime(({ hot, expectObservable }) => {
      const { status$ } = health({ stats$: hot('-r 49999ms r', SAMPLES), events$: hot('--d 9999ms d', EVENTS) });
      expectObservable(status$).toBe('LRS 54999ms R', STATES);
    }),
  );

  it(
    'can be asked at any time, and completes with the Kafka',
    inVirtualTime(({ hot, expectObservable, flush }) => {
      const state = health({ stats$: hot('--r--|', SAMPLES), events$: hot('-----|', EVENTS) });
      expect(state.status).toEqual(STATES.L);
      expectObservable(state.status$).toBe('L-R--|', STATES);
      flush();
      expect(state.status).toEqual(STATES.R);
    }),
  );
});
