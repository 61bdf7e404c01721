/** The colours of every picture in the docs, by what they are for. */
export const COLORS = {
  light: { back: '#ffffff', ink: '#1f2328', faint: '#59636e', line: '#d1d9e0', ours: '#0969da', kin: '#80b8f0', peer: '#b6bfc8' },
  dark: { back: '#0d1117', ink: '#f0f6fc', faint: '#9198a1', line: '#30363d', ours: '#4493f8', kin: '#2a5a96', peer: '#59636e' },
} as const;

/** A picture with its title, in a font that is everywhere. */
export function document(size: { readonly width: number; readonly height: number }, title: string, shapes: readonly string[]): string {
  const { width, height } = size;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="system-ui, sans-serif" font-size="13">`,
    `<title>${escaped(title)}</title>`,
    ...shapes,
    '</svg>',
    '',
  ].join('\n');
}

export function text(x: number, y: number, words: string, fill: string, more = ''): string {
  return `<text x="${x.toFixed(0)}" y="${y}" fill="${fill}" ${more}>${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
