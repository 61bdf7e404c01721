import { OptionError } from '../errors.js';

/** What the client's regular expressions, those of POSIX, do not have. */
const UNKNOWN = /\\[bBcdDkpPsSuwWxX1-9]|\(\?[=!<]|[*+?}]\?/;

/**
 * A pattern of topics as the client takes it, with the same meaning: it matches anywhere in a name unless it is anchored.
 *
 * @throws {OptionError} for what the client has no word for.
 */
export function toPosix(pattern: RegExp): string {
  const source = pattern.source.replaceAll('\\d', '[0-9]').replaceAll('\\w', '[A-Za-z0-9_]').replaceAll('(?:', '(');
  const unknown = UNKNOWN.exec(source)?.[0];
  if (unknown !== undefined) {
    throw new OptionError(
      `fromTopic: the pattern ${String(pattern)} has \`${unknown}\`, which the client does not know: use letters, classes like [0-9], groups, |, *, +, ?, ^ and $.`,
    );
  }
  // The client takes for a pattern what begins with ^.
  return `^.*(${source})`;
}
