import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Entry } from '../api/report.js';
import { ENTRIES, fileOf, reports } from '../api/report.js';
import * as kafkaRx from '../src/index.js';
import * as testing from '../src/testing/index.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const VALUES: Record<Entry, object> = { 'kafka-rx': kafkaRx, 'kafka-rx/testing': testing };

describe('the public surface', () => {
  let written: ReadonlyMap<Entry, string>;
  beforeAll(async () => {
    written = await reports(ROOT);
  });

  describe.each(Object.keys(ENTRIES) as Entry[])('%s', (entry) => {
    it('is what its report says', () => {
      const committed = readFileSync(`${ROOT}/api/${fileOf(entry)}`, 'utf8');
      expect(committed, 'the public surface has changed: if it should, run `npm run api` and commit the report').toBe(written.get(entry));
    });

    it('has each of its values in the report', () => {
      const declared = [...(written.get(entry) ?? '').matchAll(/^declare (?:function|class|const) (\w+)/gm)].map(([, name]) => name);
      expect(declared).toEqual(expect.arrayContaining(Object.keys(VALUES[entry])));
    });
  });
});
