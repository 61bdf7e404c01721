import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';

const CHUNK = Buffer.alloc(2 ** 20);

/**
 * Has the machine get as much memory as a log of so many bytes will be written to.
 *
 * A virtual machine gives free memory back to its host. To get it again takes ten times as long as to write to it, and a fast client waits
 * for it more than a slow one does.
 */
export async function fetchMemory(folder: string, bytes: number): Promise<void> {
  const path = join(folder, 'memory');
  const file = await open(path, 'w');
  try {
    for (let written = 0; written < bytes; written += CHUNK.length) await file.writeFile(CHUNK);
  } finally {
    await file.close();
    await rm(path);
  }
}
