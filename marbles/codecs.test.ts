import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Codec } from '../src/codecs.js';
import { bytes, json, text } from '../src/codecs.js';
import { OptionError } from '../src/errors.js';

function decoded<T>(codec: Codec<T>, source: string | Buffer): T | PromiseLike<T> {
  return codec.decode(Buffer.from(source as string));
}

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof Error ? error.message : 'thrown: no error';
  }
  return 'nothing was thrown';
}

describe('json', () => {
  it('reads what JSON.stringify wrote, and what else is JSON', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.constantFrom('', ' ', '\n\t'), (source, space) => {
        const refused = /__proto__|constructor/.test(source);
        fc.pre(!refused);
        expect(decoded(json(), space + source)).toEqual(JSON.parse(source));
      }),
    );
  });

  it.each([
    '{"__proto__":{"admin":true}}',
    '{"a":[{"b":{"__proto__":1}}]}',
    String.raw`{"\u005f\u005fproto\u005F_":1}`,
    String.raw`{"__\u0070roto__":1}`,
    '{"constructor":{"prototype":{"admin":true}}}',
    String.raw`{"constr\u0075ctor":{"prototyp\u0065":1}}`,
  ])('refuses a key that could change a prototype: %s', (source) => {
    expect(messageOf(() => decoded(json(), source))).toMatch(/^the key `(__proto__|constructor)` is refused$/);
  });

  it.each(['{"a":"__proto__"}', '{"prototype":1}', '{"constructor":"prototype"}', String.raw`{"a":"\u0061"}`])(
    'takes what only looks like one: %s',
    (source) => {
      expect(decoded(json(), source)).toEqual(JSON.parse(source));
    },
  );

  it('counts how deep a value is, and no brackets in text', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(decoded(json(), nested(64))).toEqual(JSON.parse(nested(64)));
    expect(messageOf(() => decoded(json(), nested(65)))).toBe('nested more than 64 deep');
    expect(messageOf(() => decoded(json(), '{"a":'.repeat(3) + '1' + '}'.repeat(3)))).toBe('nothing was thrown');
    expect(messageOf(() => decoded(json({ maxDepth: 2 }), '{"a":'.repeat(3) + '1' + '}'.repeat(3)))).toBe('nested more than 2 deep');
    expect(messageOf(() => decoded(json(), '['.repeat(5_000_000)))).toBe('nested more than 64 deep');
    expect(decoded(json(), JSON.stringify(['"[['.repeat(100), '\\"]['.repeat(100)]))).toHaveLength(2);
    expect(decoded(json(), `[${'[],'.repeat(100)}[]]`)).toHaveLength(101);
  });

  it.each(['secret', '{"password":"secret', '{"password":secret}', '"secret\u0001"', '{"secret":1,}', '', '[1] secret'])(
    'says that %j is not JSON, and quotes nothing of it',
    (source) => {
      const message = messageOf(() => decoded(json(), source));
      expect(message).toMatch(/^not JSON(, from character \d+ on)?$/);
    },
  );

  it('refuses what is not UTF-8, and options that it does not know', () => {
    expect(messageOf(() => decoded(json(), Buffer.from([0x22, 0xff, 0x22])))).toBe('not UTF-8');
    expect(() => json({ maxdepth: 3 } as never)).toThrow(OptionError);
  });
});

describe('text and bytes', () => {
  it('text is UTF-8, and nothing else passes for it', () => {
    expect(decoded(text(), 'grüße, 世界 \u{1f980}')).toBe('grüße, 世界 \u{1f980}');
    expect(messageOf(() => decoded(text(), Buffer.from([0xc3])))).toBe('not UTF-8');
  });

  it('bytes are what they were', () => {
    const all = Buffer.from([0xc3, 0]);
    expect(bytes().decode(all)).toBe(all);
  });
});
