import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.js';
import { Kafka } from '../../src/kafka.js';
import { memoryOffsets } from '../../src/offsets/memory.js';
import { toPosix } from '../../src/sources/pattern.js';
import { fromTopic } from '../../src/sources/topic.js';
import { posixMatches } from '../support/posix.js';

const NAMES = ['orders', 'orders-7', 'orders-12', 'orders-eu', 'orders-us', 'my-orders-eu', 'orders.v1', 'ordersXv1', 'a', 'z', '-', 'm'];

/** The names that a pattern is about, in JavaScript and in the client. */
function matches(pattern: RegExp): { readonly here: readonly string[]; readonly there: readonly string[] } {
  const posix = toPosix(pattern);
  return { here: NAMES.filter((name) => pattern.test(name)), there: NAMES.filter((name) => posixMatches(posix, name)) };
}

describe('a pattern of topics', () => {
  it.each([
    [/^orders-[0-9]+$/, ['orders-7', 'orders-12']],
    [/^orders-\d+$/, ['orders-7', 'orders-12']],
    [/^\w+$/, ['orders', 'ordersXv1', 'a', 'z', 'm']],
    [/orders-eu$/, ['orders-eu', 'my-orders-eu']],
    [/^orders-(?:eu|us)$/, ['orders-eu', 'orders-us']],
    [/^a|eu$/, ['orders-eu', 'my-orders-eu', 'a']],
    [/nothing|orders-7/, ['orders-7']],
    [/^orders\.v1$/, ['orders.v1']],
    [/^orders.v1$/, ['orders.v1', 'ordersXv1']],
    [/^orders-.{2}$/, ['orders-12', 'orders-eu', 'orders-us']],
    [/^[^o]$/, ['a', 'z', '-', 'm']],
  ])('%s means in the client what it means in JavaScript', (pattern, names) => {
    expect(matches(pattern)).toEqual({ here: names, there: names });
  });

  // Translated as if it stood outside of the brackets, `[\w-]` would become `[[A-Za-z0-9_]-]`, which matches no topic and says nothing; and
  // left alone, `[a\-z]` would be the range from the backslash to z.
  it.each([[/^orders-[\d]+$/], [/^[\w-]+$/], [/^[\w.-]+$/], [/^orders-[^\d]+$/], [/^[a\-z]$/]])(
    '%s, with an escape between brackets, means the same in the client, or is refused',
    (pattern) => {
      let found;
      try {
        found = matches(pattern);
      } catch (error) {
        expect(error).toBeInstanceOf(OptionError);
        return;
      }
      expect(found.there).toEqual(found.here);
    },
  );

  // The client takes `\<` and `\>` for the ends of words, `\t` for t, and fails at `{` where it begins no count.
  it.each([[new RegExp('^a\\>')], [/^a\tb$/], [/a{/], [/^[^]$/]])('%s is refused, for the client has another meaning for it', (pattern) => {
    expect(() => toPosix(pattern)).toThrow(OptionError);
  });

  it.each([
    [/\bside\b/, '\\b'],
    [/^(?!__)/, '(?!'],
    [/(?<=a)b/, '(?<'],
    [/^a.*?b/, '*?'],
    [/^(a)\1$/, '\\1'],
    [/^\S+$/, '\\S'],
    [/^\x41$/, '\\x'],
  ])('%s is refused by the call that was given it', (pattern, part) => {
    const kafka = new Kafka({ brokers: ['localhost:9092'] });
    const call = (): unknown => fromTopic(kafka, ['orders', pattern] as never, { group: 'billing', offsets: memoryOffsets() });
    expect(call).toThrow(OptionError);
    expect(call).toThrow(`has \`${part}\``);
  });

  it.each([[/^orders/i], [/orders/g], [/orders/u]])('%s is refused: flags are not passed on', (pattern) => {
    const kafka = new Kafka({ brokers: ['localhost:9092'] });
    expect(() => fromTopic(kafka, pattern, { group: 'billing', offsets: memoryOffsets() })).toThrow(/can have no flags/);
  });
});
