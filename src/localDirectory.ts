import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, statSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** Others may share these; they neither see each other's locks nor, at once, each other's writes. */
const REMOTE: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xff534d42: 'CIFS',
  0xfe534d42: 'SMB',
  0x65735546: 'FUSE',
  0x01021997: '9p',
  0x00c36400: 'Ceph',
  0x0bd00bd0: 'Lustre',
};

/** What to say of a directory that is not fit. */
export interface Unfit {
  readonly unavailable: (path: string, reason: string, cause?: unknown) => Error;
  /** What is wrong with a file system that is shared with other machines, as the end of a sentence. */
  readonly remote: string;
}

/** Makes the directory if it is not there, for good, and sees that it can be used: it is this user's to write, and on a local disk. */
export function prepareLocalDirectory(path: string, { unavailable, remote }: Unfit): void {
  try {
    mkdirSync(path, { mode: 0o700 });
    // Else a loss of power may take the whole directory away, and with it all that was written.
    syncDirectory(dirname(path));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw unavailable(path, code === 'ENOENT' ? 'its parent directory does not exist' : String(code), cause);
  }
  if (!statSync(path).isDirectory()) throw unavailable(path, 'it is a file, not a directory');
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw unavailable(path, `it is not writable for this user (${String((cause as NodeJS.ErrnoException).code)})`, cause);
  }
  const kind = REMOTE[statfsSync(path).type];
  if (kind !== undefined) throw unavailable(path, `it is on a file system of the kind ${kind}, ${remote}`);
}

/** Names that were made or removed in it survive a loss of power from now on. */
export function syncDirectory(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
