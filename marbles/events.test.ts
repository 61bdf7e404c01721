import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { KafkaEvent } from '../src/events.js';

type Fields<T extends KafkaEvent['type']> = Exclude<keyof Extract<KafkaEvent, { type: T }>, 'type'>;

/** What each event has beside its type. Does not compile where an event or a field of one was forgotten; and the README's table is held against it. */
const EVENTS: { readonly [T in KafkaEvent['type']]: Readonly<Record<Fields<T>, true>> } = {
  log: { level: true, client: true, message: true },
  error: { client: true, error: true },
  failed: { name: true, error: true },
  assigned: { group: true, partitions: true },
  seek: { group: true, partitions: true },
  revoked: { group: true, partitions: true, unfinished: true },
  lost: { group: true, partitions: true, unfinished: true },
  late: { group: true, partitions: true, completions: true },
  gap: { group: true, topic: true, partition: true, from: true, to: true },
  stale: { group: true, partitions: true },
  stats: { client: true, stats: true },
  throttle: { client: true, broker: true, throttleMs: true },
  notice: { message: true },
};

describe('the README', () => {
  it('has a row for each event, with its fields', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const [, rows = ''] = /\n\| event +\|.*\n\|[-| ]+\|\n((?:\|.*\n)+)/.exec(readme) ?? [];
    const quoted = (cell = ''): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, word = '']) => word);
    const table = rows
      .trim()
      .split('\n')
      .map((row) => row.split('|'))
      .map(([, event, fields, means = '']) => {
        expect(means.trim()).not.toBe('');
        return [...quoted(event), ...quoted(fields)];
      });
    expect(table).toEqual(Object.entries(EVENTS).map(([event, fields]) => [event, ...Object.keys(fields)]));
  });
});
