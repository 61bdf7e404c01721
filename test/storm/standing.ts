import { linesOf } from '../kill/runFolder.js';
import { Owners } from './owners.js';
import { stepOf } from './stormLog.js';

/** How a storm stands now, as told by a log that is still being written. */
export class Standing {
  readonly #path: string;
  readonly #owners = new Owners();
  readonly #worked = new Set<string>();
  #read = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** The members that can work on the partition. */
  owners(partition: number): readonly string[] {
    this.#follow();
    return this.#owners.working(partition);
  }

  /** How many different records were worked on. */
  get worked(): number {
    this.#follow();
    return this.#worked.size;
  }

  #follow(): void {
    const lines = linesOf(this.#path, this.#read);
    let next = lines.next();
    for (; next.done !== true; next = lines.next()) {
      const step = stepOf(next.value);
      if (step.kind === 'G') this.#owners.given(step.member, step.partition);
      else if (step.kind === 'T') this.#owners.taken(step.member, step.partition);
      else if (step.kind === 'E') this.#worked.add(step.id);
      else if (step.kind === 'Z') this.#owners.stopped(step.pid);
      else if (step.kind === 'C') this.#owners.goesOn(step.pid);
      else if (step.kind === 'K' || step.kind === 'X') this.#owners.ended(step.pid);
    }
    this.#read = next.value;
  }
}
