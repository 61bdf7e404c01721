import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The compiled program of this name, whether this file is compiled itself or not: a test runner takes it as it is. */
export function compiledStormProgram(name: string): string {
  const folder = import.meta.url.endsWith('.ts') ? '../../.build/test/storm/' : './';
  return fileURLToPath(new URL(`${folder}${name}.js`, import.meta.url));
}

/** A compiled program that runs as a process of its own. */
export class Program {
  readonly #child: ChildProcess;
  /** Resolves with its code, or with the signal that ended it. */
  readonly ended: Promise<string>;

  constructor(name: string, options?: object) {
    this.#child = fork(compiledStormProgram(name), options === undefined ? [] : [JSON.stringify(options)]);
    this.ended = once(this.#child, 'exit').then(([code, signal]) => String(signal ?? code));
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get gone(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  send(message: object | string): void {
    this.#child.send(message);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#child.on('message', listener);
  }

  async nextMessage(): Promise<unknown> {
    const [message] = (await once(this.#child, 'message')) as [unknown];
    return message;
  }
}
