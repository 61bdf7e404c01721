/** Rows under their headings, each column as wide as it must be; numbers stand to the right. */
export function table(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => String(row[i]).length)));
  const line = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, i) => (typeof cell === 'number' ? String(cell).padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  // A heading stands over its numbers.
  const isNumber = headings.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  const head = headings.map((heading, i) => (isNumber[i] === true ? heading.padStart(widths[i] ?? 0) : heading));
  return [line(head), ...rows.map(line)].map((text) => `${text}\n`).join('');
}
