/** The kinds of entries that `record.c` writes, by their number. */
const KINDS = ['', 'write', 'truncate', 'sync', 'sync range', 'create', 'rename', 'unlink', 'directory'] as const;

/** One call by which a process changed its files, in the order in which the calls took effect. */
export interface Entry {
  readonly kind: (typeof KINDS)[number];
  /** The inode. */
  readonly file: number;
  readonly offset: number;
  readonly length: number;
  readonly bytes: Buffer;
  readonly name: string;
}

const HEAD_BYTES = 24;

export function readRecording(log: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < log.length;) {
    const kind = KINDS[log.readUInt32LE(at)] ?? '';
    const length = log.readUInt32LE(at + 16);
    const start = at + HEAD_BYTES;
    const middle = start + (kind === 'write' ? length : 0);
    const end = middle + log.readUInt32LE(at + 20);
    if (kind === '' || end > log.length) throw new Error(`the recording cannot be read from byte ${at}`);
    entries.push({
      kind,
      file: log.readUInt32LE(at + 4),
      offset: Number(log.readBigUInt64LE(at + 8)),
      length,
      bytes: log.subarray(start, middle),
      name: log.toString('utf8', middle, end),
    });
    at = end;
  }
  return entries;
}
