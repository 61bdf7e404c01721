import { setTimeout as delay } from 'node:timers/promises';
import { StoreCorruptError, StoreFailedError, StoreLostError } from '../errors.js';
import { DataFile } from './dataFile.js';
import type { Environment } from './environment.js';
import { openEnvironment } from './environment.js';
import type { ManifestFile } from './manifest.js';
import { checkManifest, newManifest, parseManifest, writeManifestFile } from './manifest.js';
import { preflight } from './preflight.js';
import { MANIFEST_KEY, inspect } from './records.js';

/** The files of a store and LMDB upon them: from the moment they are looked through and opened, over failures of the disk, until they are closed. */
export class StoreFiles {
  readonly path: string;
  readonly data: DataFile;
  readonly #patienceMs: number;
  readonly #manifest: ManifestFile;
  /** `undefined` when it could not be opened again. */
  #environment: Environment | undefined;
  /** LMDB did not let go of the files, and never will. */
  #held = false;

  /** @param patienceMs How long LMDB may take to let go of the files. */
  constructor(path: string, patienceMs: number) {
    this.path = path;
    this.#patienceMs = patienceMs;
    const { manifest: file, intact } = preflight(path);
    const environment = (this.#environment = openEnvironment(path));
    let data: DataFile | undefined;
    try {
      const manifest = agree(path, environment, file);
      data = this.data = new DataFile(path);
      // Now that it is known to be the right file, of a format that we know.
      if (!intact) throw data.notAsClosed();
      data.presize();
      writeManifestFile(path, (this.#manifest = { ...manifest, state: 'open', transaction: data.look() }));
    } catch (error) {
      data?.close();
      void environment.close();
      throw error;
    }
  }

  get environment(): Environment {
    if (this.#environment === undefined) throw new StoreFailedError(`the offset store ${this.path} is not open.`);
    return this.#environment;
  }

  /**
   * To be called when a transaction has failed. Answers whether it is on disk all the same: only the files know, and only what opens them anew
   * may ask.
   *
   * @param before The last transaction before it.
   * @param cause Why it failed.
   */
  async reopen(before: number, cause: unknown): Promise<boolean> {
    if (!(await this.#letGo())) throw failed(this.path, cause);
    try {
      this.data.look();
      this.data.check({ ...this.#manifest, transaction: before }, inspect);
      this.#environment = openEnvironment(this.path);
    } catch (again) {
      throw again instanceof StoreLostError || again instanceof StoreCorruptError ? again : failed(this.path, again);
    }
    const { transaction } = this.data.meta();
    if (transaction > before + 1) throw failed(this.path, new Error('another process has written to it'));
    return transaction === before + 1;
  }

  /** Whether it was closed: if not, LMDB may still write. With `sealed`, a note says how the files were left, or else they are looked through. */
  async close({ sealed }: { readonly sealed: boolean }): Promise<boolean> {
    if (!(await this.#letGo())) return false;
    if (sealed) this.#seal();
    this.data.close();
    return true;
  }

  async #letGo(): Promise<boolean> {
    if (this.#environment === undefined || this.#held) return !this.#held;
    const late = new AbortController();
    const closed = await Promise.race([
      this.#environment.close().then(() => true),
      delay(this.#patienceMs, false, { signal: late.signal }).catch(() => false),
    ]);
    late.abort();
    if (closed) this.#environment = undefined;
    this.#held = !closed;
    return closed;
  }

  #seal(): void {
    try {
      const transaction = this.data.look();
      writeManifestFile(this.path, { ...this.#manifest, state: 'closed', transaction, checksum: this.data.checksum() });
    } catch {
      // The store was closed all the same, and every write was answered.
    }
  }
}

/** The manifest beside the data and the one inside it must be of one store. A new store gets the one inside. */
function agree(path: string, { meta }: Environment, file: ManifestFile | undefined): ManifestFile {
  const record = meta.get(MANIFEST_KEY);
  const stored = record === undefined ? undefined : parseManifest(path, record.toString());
  if (file?.state !== 'new') checkManifest(path, file, stored);
  const manifest = file ?? stored ?? newManifest();
  if (stored === undefined) meta.putSync(MANIFEST_KEY, Buffer.from(JSON.stringify({ format: manifest.format, id: manifest.id })));
  return manifest;
}

export function failed(path: string, cause: unknown): StoreFailedError {
  if (cause instanceof StoreFailedError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StoreFailedError(
    `a write to the offset store ${path} failed (${reason}). Whether it is on disk is unknown until the store is opened again: check the disk, then restart.`,
    { cause },
  );
}
