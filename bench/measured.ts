/** What every contender is told, as JSON in its only argument. */
export interface Task {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly records: number;
  readonly group: string;
  /** An empty folder for whatever it wants to keep. */
  readonly folder: string;
}

/** What one run of one contender took, from its first record to its last. */
export interface Measured {
  readonly records: number;
  readonly seconds: number;
  readonly cpuMicros: number;
  readonly peakRssBytes: number;
}

export function taskOfThisProcess(): Task {
  return JSON.parse(process.argv[2] as string) as Task;
}

/** Counts records, and tells the parent when all of them are through. */
export class Meter {
  readonly #task: Task;
  #seen = 0;
  #started = 0;
  #cpu = process.cpuUsage();

  constructor(task: Task) {
    this.#task = task;
  }

  /** Answers whether that was the last one. */
  count(records: number): boolean {
    if (this.#seen === 0) {
      this.#started = performance.now();
      this.#cpu = process.cpuUsage();
    }
    this.#seen += records;
    return this.#seen >= this.#task.records;
  }

  report(): void {
    const seconds = (performance.now() - this.#started) / 1_000;
    const { user, system } = process.cpuUsage(this.#cpu);
    const measured: Measured = {
      records: this.#seen,
      seconds,
      cpuMicros: user + system,
      peakRssBytes: process.resourceUsage().maxRSS * 1_024,
    };
    process.send?.(measured);
  }
}
