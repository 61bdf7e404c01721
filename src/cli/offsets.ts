import { text } from 'node:stream/consumers';
import { parseOffsetsCall } from './offsetsArguments.js';
import { fromGroup, toGroup } from './offsetsGroup.js';
import type { Answer } from './offsetsReads.js';
import { exported, list, show, verify } from './offsetsReads.js';
import { imported, reset, skip } from './offsetsWrites.js';
import { OFFSETS_USAGE } from './usage.js';

/** `kafka-rx offsets`. */
export async function offsets(argv: readonly string[]): Promise<Answer> {
  const call = parseOffsetsCall(argv);
  if (call === 'help') return { text: OFFSETS_USAGE, well: true };
  switch (call.command) {
    case 'list':
      return list(call);
    case 'show':
      return show(call);
    case 'verify':
      return verify(call);
    case 'export':
      return exported(call);
    case 'reset':
      return reset(call);
    case 'skip':
      return skip(call);
    case 'import':
      return imported(call, await text(process.stdin));
    case 'to-group':
      return toGroup(call);
    case 'from-group':
      return fromGroup(call);
  }
}
