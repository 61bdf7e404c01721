import { OptionError } from '../errors.js';

/** One piece of a pattern that JavaScript and the client understand alike, or that has another spelling there. */
const PIECES: readonly (readonly [RegExp, (found: RegExpExecArray) => string | undefined])[] = [
  [/\[(\^?)((?:[^\]\\]|\\.)*)\]/y, ([, not = '', content = '']) => bracket(not, content)],
  [/\\d/y, () => '[0-9]'],
  [/\\w/y, () => '[A-Za-z0-9_]'],
  [/\\([-/])/y, ([, sign]) => sign],
  [/\\[.*+?()[\]{}|^$\\]/y, ([same]) => same],
  [/\(\?:/y, () => '('],
  [/\((?!\?)|[)|^$.]/y, ([same]) => same],
  // Not followed by ?, which would make it lazy.
  [/(?:[*+?]|\{\d+(?:,\d*)?\})(?!\?)/y, ([same]) => same],
  [/[A-Za-z0-9_-]/y, ([same]) => same],
];

/**
 * A pattern of topics as the client takes it, with the same meaning: it matches anywhere in a name unless it is anchored.
 *
 * The client's regular expressions are those of POSIX.
 *
 * @throws {OptionError} for what the client has no word for, or takes for something else.
 */
export function toPosix(pattern: RegExp): string {
  const { source } = pattern;
  let posix = '';
  for (let at = 0; at < source.length;) {
    const [length, piece] = next(source, at);
    if (piece === undefined) {
      const [part] = /^(?:\\.|\(\?[=!<]?|[*+?}]\?|\[[^\]]*\]?|.)/s.exec(source.slice(at)) ?? [''];
      throw new OptionError(
        `fromTopic: the pattern ${String(pattern)} has \`${part}\`, which the client does not know, or takes for something else: ` +
          'use letters, classes like [0-9], groups, |, *, +, ?, ^ and $.',
      );
    }
    posix += piece;
    at += length;
  }
  // The client takes for a pattern what begins with ^.
  return `^.*(${posix})`;
}

function next(source: string, at: number): readonly [length: number, piece: string | undefined] {
  for (const [form, translate] of PIECES) {
    form.lastIndex = at;
    const found = form.exec(source);
    if (found !== null) return [found[0].length, translate(found)];
  }
  return [0, undefined];
}

/** Between brackets the client knows no escapes. */
function bracket(not: string, content: string): string | undefined {
  const plain = content.replaceAll('\\d', '0-9').replaceAll('\\w', 'A-Za-z0-9_').replaceAll('\\.', '.');
  return /^[A-Za-z0-9_.-]+$/.test(plain) ? `[${not}${plain}]` : undefined;
}
