import { delay } from 'rxjs';
import { commit } from '../../src/index.js';
import { topicMarbles } from '../../src/testing/index.js';

/** Runs a test in virtual time, and says which native modules this process has loaded by then. */
let asserted = 0;
topicMarbles(
  ({ topic, expectRecords }) => {
    expectRecords(topic('ab').records$.pipe(delay(3), commit())).toBe('---ab');
  },
  {
    assertDeepEqual: () => {
      asserted += 1;
    },
  },
);
const { sharedObjects } = process.report.getReport() as unknown as { readonly sharedObjects: readonly string[] };
process.stdout.write(JSON.stringify({ asserted, native: sharedObjects.filter((path) => path.endsWith('.node')) }));
