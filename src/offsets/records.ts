import { decodeCheckpoint, decodeEpoch } from './codec.js';
import { isIntact } from './keys.js';
import { isSealedFor, unseal } from './sealed.js';
import { Damage } from './structure.js';

/** The record of the table `meta` that says whose data it is. */
export const MANIFEST_KEY = Buffer.from('manifest');

/**
 * Looks at a record of ours. A key that was damaged is one that nobody asks for, so its partition would start from the beginning: that damages
 * the store. A damaged value is an error to whoever asks for it, and to nobody else.
 */
export function inspect(table: string, key: Buffer, value: Buffer): 'intact' | 'damaged' {
  switch (table) {
    case 'meta':
      return 'intact';
    case 'epochs':
    case 'checkpoints':
      if (!isIntact(key)) throw new Damage('has a damaged key');
      return can(() => (table === 'epochs' ? decodeEpoch(value) : decodeCheckpoint(value))) ? 'intact' : 'damaged';
    case 'state':
      if (!isSealedFor(key, value)) throw new Damage('has a damaged key in the state');
      return unseal(value) === undefined ? 'damaged' : 'intact';
    default:
      // Damage to its name, and a table would be missing, and be made anew.
      throw new Damage('has a table of an unknown name');
  }
}

function can(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}
