import type { Outgoing } from './outgoing.js';

/** More than this at once gains nothing, and would hold the event loop for longer. */
const MAX_RECORDS = 1_000;
const MAX_BYTES = 1_048_576;
const FIRST_BYTES = 65_536;

/** The columns as `native/producer.cc` lays them out. */
const [ID, TOPIC, PARTITION, START, KEY, VALUE, HEADER, HEADERS, INTEGERS] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;

/** Some records as the addon takes them: a few columns, and one buffer that holds what they are made of. */
export class Window {
  readonly columns = new Int32Array(MAX_RECORDS * INTEGERS);
  readonly timestamps = new Float64Array(MAX_RECORDS);
  readonly topics: string[] = [];
  /** Two lengths for each header. */
  headers = new Int32Array(64);
  bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  count = 0;
  #end = 0;
  #headerCount = 0;
  #lastTopic = '';
  #lastIndex = -1;

  /** In bytes. */
  get size(): number {
    return this.#end;
  }

  get isFull(): boolean {
    return this.count === MAX_RECORDS || this.#end >= MAX_BYTES;
  }

  add(id: number, { topic, partition, key, value, timestamp = 0, headers }: Outgoing, size: number): void {
    if (this.#end + size > this.bytes.length) this.#grow(this.#end + size);
    const { columns, bytes } = this;
    const at = this.count * INTEGERS;
    columns[at + ID] = id;
    columns[at + TOPIC] = topic === this.#lastTopic ? this.#lastIndex : this.#indexOf(topic);
    columns[at + PARTITION] = partition ?? -1;
    columns[at + START] = this.#end;
    columns[at + HEADER] = this.#headerCount;
    columns[at + HEADERS] = headers.length;
    this.timestamps[this.count] = timestamp;
    this.count += 1;
    if (key === null) columns[at + KEY] = -1;
    else {
      columns[at + KEY] = key.length;
      bytes.set(key, this.#end);
      this.#end += key.length;
    }
    if (value === null) columns[at + VALUE] = -1;
    else {
      columns[at + VALUE] = value.length;
      bytes.set(value, this.#end);
      this.#end += value.length;
    }
    for (const [name, content] of headers) this.#addHeader(name, content);
  }

  clear(): void {
    this.count = 0;
    this.#end = 0;
    this.#headerCount = 0;
    this.topics.length = 0;
    this.#lastTopic = '';
    // What one large record needed is not kept for ever.
    if (this.bytes.length > 2 * MAX_BYTES) this.bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  #addHeader(name: string, content: Buffer | null): void {
    const at = 2 * this.#headerCount;
    if (at === this.headers.length) {
      const more = new Int32Array(2 * at);
      more.set(this.headers);
      this.headers = more;
    }
    this.#headerCount += 1;
    const nameLength = this.bytes.write(name, this.#end);
    this.#end += nameLength;
    this.headers[at] = nameLength;
    this.headers[at + 1] = content?.length ?? -1;
    if (content === null) return;
    this.bytes.set(content, this.#end);
    this.#end += content.length;
  }

  #indexOf(topic: string): number {
    const known = this.topics.indexOf(topic);
    this.#lastTopic = topic;
    this.#lastIndex = known >= 0 ? known : this.topics.push(topic) - 1;
    return this.#lastIndex;
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, needed));
    larger.set(this.bytes.subarray(0, this.#end));
    this.bytes = larger;
  }
}
