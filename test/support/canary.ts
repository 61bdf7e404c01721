import { randomBytes } from 'node:crypto';

/** So many characters of a canary are enough to know it. Whoever quotes two times that much of it is found. */
const TOKEN = 8;

/** A text that is like no other: a short token, again and again. */
export function canary(times = 3): string {
  const token = Array.from(randomBytes(TOKEN), (byte) => 'abcdefghijklmnopqrstuvwxyz012345'.charAt(byte % 32)).join('');
  return token.repeat(times);
}

/** Where a text shows a canary, or the start of one, as it is or in another form; with the form, and what stands around it. */
export function sightings(text: string, canaries: Readonly<Record<string, string>>): string[] {
  return Object.entries(canaries).flatMap(([name, whole]) =>
    forms(whole.slice(0, TOKEN)).flatMap(([form, word]) => {
      const at = text.indexOf(word);
      return at < 0 ? [] : [`${name}, ${form}: ${text.slice(Math.max(0, at - 300), at + 50)}`];
    }),
  );
}

function forms(token: string): (readonly [form: string, word: string])[] {
  const bytes = Buffer.from(token);
  const hex = bytes.toString('hex');
  return [
    ['as it is', token],
    ['in capitals', token.toUpperCase()],
    ['hex', hex],
    ['HEX', hex.toUpperCase()],
    ['bytes of a Buffer', hex.replace(/..(?=.)/g, '$& ')],
    ['numbers', [...bytes].join(',')],
    ['numbers in lines', [...bytes].join(', ')],
    ['in UTF-16', Buffer.from(token, 'utf16le').toString('hex')],
    // The characters of base64 hang on what stands before and behind: those at the edges are left out.
    ...[0, 1, 2].map((before) => {
      const encoded = Buffer.concat([Buffer.alloc(before), bytes])
        .toString('base64')
        .replace(/=+$/, '');
      return [`base64, shifted by ${before}`, encoded.slice(Math.ceil((before * 4) / 3), -1)] as const;
    }),
  ];
}
