/**
 * What is written and read: JSON as services write it, different in every record and the same in every run.
 *
 * A repeated byte would compress a thousandfold and make every client with lz4 look faster than it will ever be in use.
 */
export interface Payload {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** From here on values are large: fewer of them make a batch, and fewer are on their way at once. */
export const LARGE_BYTES = 1_000;

const SEED = 20_240_229;
const STATUS = ['created', 'paid', 'packed', 'shipped', 'delivered', 'returned'];
const COUNTRIES = ['DE', 'FR', 'NL', 'PL', 'SE', 'US', 'JP', 'BR'];
const WORDS = 'leave at door|call first|gift wrap|express|second floor|fragile|no invoice|keep cool|ring twice|neighbour'.split('|');
const STAMP_AT = '{"sent":"'.length;
const STAMP_DIGITS = 20;

/** So many payloads whose values are exactly `bytes` long. */
export function payloads(count: number, bytes: number): Payload[] {
  const random = seeded(SEED);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;
  const digits = (below: number): number => Math.floor(random() * below);
  return Array.from({ length: count }, (_, i) => {
    const customer = `c-${digits(10_000)}`;
    const head = `{"order":${10_000_000 + i},"status":"${pick(STATUS)}","total":${digits(20_000) / 100},"country":"${pick(COUNTRIES)}","lines":[`;
    const lines: string[] = [];
    const length = (): number => head.length + lines.reduce((sum, line) => sum + line.length + 1, 0);
    while (length() < bytes - 80) {
      const { sku, pieces, cents } = { sku: digits(5_000), pieces: 1 + digits(9), cents: 5 * digits(2_000) };
      lines.push(`{"sku":"A-${sku}","pieces":${pieces},"price":${cents / 100},"note":"${pick(WORDS)}"}`);
    }
    const body = `${head}${lines.join(',')}],"note":"`;
    let note = '';
    while (body.length + note.length + 2 < bytes) note += `${pick(WORDS)}, `;
    const text = `${body}${note.slice(0, Math.max(0, bytes - body.length - 2))}"}`;
    if (text.length !== bytes) throw new RangeError(`no payload of ${bytes} bytes: it takes ${text.length}`);
    return { key: Buffer.from(customer), value: Buffer.from(text) };
  });
}

/** Two headers as tracing writes them. */
export function headersOf(index: number): { readonly name: string; readonly value: string }[] {
  const random = seeded(SEED + index);
  const hex = (): string =>
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0');
  return [
    { name: 'traceparent', value: `00-${hex()}${hex()}${hex()}${hex()}-${hex()}${hex()}-01` },
    { name: 'source', value: 'checkout' },
  ];
}

/** What a service does to a record that passes through: a copy with a change in it. */
export function transformed(value: Buffer | null | undefined): Buffer {
  const changed = Buffer.from(value ?? '');
  // "order" becomes "Order".
  if (changed.length > 2) changed[2] = (changed[2] as number) ^ 0x20;
  return changed;
}

/** A payload that says when it was sent, on the clock that all processes of a machine share. */
export function stamped(bytes: number): Buffer {
  const text = `{"sent":"${process.hrtime.bigint().toString().padStart(STAMP_DIGITS, '0')}","note":"`;
  return Buffer.from(`${text.padEnd(bytes - 2, 'leave at door, ')}"}`);
}

export function sentAt(value: Buffer): bigint {
  return BigInt(value.toString('latin1', STAMP_AT, STAMP_AT + STAMP_DIGITS));
}

/** Mulberry32: small, fast, and the same everywhere. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
