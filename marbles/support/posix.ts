/** Matches as the client's expressions do: between brackets a backslash and an opening bracket stand for themselves. */
export function posixMatches(pattern: string, name: string): boolean {
  const brackets = /(?<!\\)\[(\^?\]?[^\]]*)\]/g;
  const escaped = pattern.replaceAll(brackets, (_, inside: string) => `[${inside.replaceAll('\\', '\\\\').replaceAll('[', '\\[')}]`);
  return new RegExp(escaped).test(name);
}
