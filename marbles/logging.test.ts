import { describe, expect, it, vi } from 'vitest';
import type { OptionError } from '../src/errors.js';
import { BrokerError } from '../src/errors.js';
import type { KafkaEvent } from '../src/events.js';
import { Kafka } from '../src/kafka.js';
import type { Logger } from '../src/logging.js';

const brokers = ['localhost:9092'];
const group = 'billing';
const at = { topic: 'orders', partition: 3 };
const error = new BrokerError('a broker is away', { kafkaCode: -195, retriable: true });

/** One event of each kind, with its level, and its context as it is to be. */
const LINES: readonly (readonly [KafkaEvent, string, object])[] = [
  [{ type: 'error', client: 'c', error }, 'error', { client: 'c', err: error }],
  [{ type: 'failed', name: group, error }, 'error', { name: group, err: error }],
  [{ type: 'log', level: 'debug', client: 'c', message: 'm' }, 'debug', { client: 'c' }],
  [{ type: 'log', level: 'warn', client: 'c', message: 'm' }, 'warn', { client: 'c' }],
  [{ type: 'assigned', group, partitions: [{ ...at, offset: 42 }] }, 'info', { group, partitions: ['orders/3 from 42'] }],
  [{ type: 'seek', group, partitions: [{ ...at, offset: 7 }] }, 'info', { group, partitions: ['orders/3 from 7'] }],
  [{ type: 'revoked', group, partitions: [at], unfinished: 0 }, 'info', { group, partitions: ['orders/3'], unfinished: 0 }],
  [{ type: 'lost', group, partitions: [at], unfinished: 7 }, 'warn', { group, partitions: ['orders/3'], unfinished: 7 }],
  [{ type: 'late', group, partitions: [at], completions: 2 }, 'warn', { group, partitions: ['orders/3'], completions: 2 }],
  [{ type: 'gap', group, ...at, from: 5, to: 9 }, 'warn', { group, ...at, from: 5, to: 9 }],
  [
    { type: 'stale', group, partitions: [{ ...at, local: undefined, committed: 9 }] },
    'warn',
    { group, partitions: ['orders/3: nothing here, 9 in the group'] },
  ],
  [{ type: 'stats', client: 'c', stats: { msg_cnt: 4, brokers: { b: {} }, type: 'consumer' } }, 'debug', { client: 'c', msg_cnt: 4 }],
  [{ type: 'throttle', client: 'c', broker: 'b', throttleMs: 30 }, 'warn', { client: 'c', broker: 'b', throttleMs: 30 }],
  [{ type: 'notice', message: 'worth knowing' }, 'info', {}],
];

/** Calls that were made, and a logger that notes them with its own `this`, as a pino does. */
function recording() {
  const calls: { level: string; context: object; message: string }[] = [];
  class Recording implements Logger {
    readonly #calls = calls;
    debug(context: object, message: string): void {
      this.#calls.push({ level: 'debug', context, message });
    }
    info(context: object, message: string): void {
      this.#calls.push({ level: 'info', context, message });
    }
    warn(context: object, message: string): void {
      this.#calls.push({ level: 'warn', context, message });
    }
    error(context: object, message: string): void {
      this.#calls.push({ level: 'error', context, message });
    }
  }
  return { calls, logger: new Recording() };
}

describe('the logger', () => {
  it.each(LINES)('gets a line for %o', (event, level, context) => {
    const { calls, logger } = recording();
    const kafka = new Kafka({ brokers, logger });
    kafka.emit(event);

    expect(calls[0]).toEqual({ level: 'debug', context: { type: 'opened', clientId: 'kafka-rx', brokers }, message: 'kafka-rx logs here' });
    expect(calls[1]).toEqual({ level, context: { type: event.type, ...context }, message: expect.stringMatching(/./) as string });
    for (const [name, value] of Object.entries(calls[1]?.context ?? {})) {
      if (name === 'err') continue;
      const parts: readonly unknown[] = Array.isArray(value) ? value : [value];
      expect(parts.map((part) => typeof part).filter((type) => type !== 'string' && type !== 'number')).toEqual([]);
    }
  });

  it('may be a console', () => {
    const [printed, first] = (['error', 'debug'] as const).map((level) => vi.spyOn(console, level).mockReturnValue(undefined));
    new Kafka({ brokers, logger: console }).emit({ type: 'error', client: 'c', error });
    expect(first?.mock.calls).toHaveLength(1);
    expect(printed?.mock.calls).toEqual([[{ type: 'error', client: 'c', err: error }, 'a broker is away']]);
    for (const spy of [printed, first]) spy?.mockRestore();
  });

  it('that lacks a level, or throws, is refused at once', () => {
    const { logger } = recording();
    const lame = { debug: () => undefined, info: () => undefined, error: () => undefined } as unknown as Logger;
    const cause = new Error('no room');
    const broken: Logger = {
      ...lame,
      warn: () => undefined,
      debug: () => {
        throw cause;
      },
    };
    const attempt = (given: Logger) => () => new Kafka({ brokers, logger: given });

    expect(attempt(lame)).toThrow(/`logger` has no function `warn`/);
    expect(attempt(broken)).toThrow(expect.objectContaining({ code: 'OPTION', cause }) as OptionError);
    expect(attempt(logger)).not.toThrow();
  });

  it('that begins to throw later is no reason to stop', () => {
    const { calls, logger } = recording();
    const kafka = new Kafka({ brokers, logger });
    const told: string[] = [];
    vi.spyOn(logger, 'info').mockImplementationOnce(() => {
      throw new Error('the disk is full');
    });
    void kafka.events$.forEach(({ type }) => told.push(type));
    kafka.emit({ type: 'notice', message: 'one' });
    kafka.emit({ type: 'notice', message: 'two' });

    expect(told).toEqual(['notice', 'notice']);
    expect(calls.map(({ message }) => message)).toEqual(['kafka-rx logs here', 'two']);
  });
});
