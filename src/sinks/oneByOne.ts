import type { DeliveryError } from '../errors.js';
import type { Settle } from './outlet.js';
import type { Outgoing } from './outgoing.js';
import type { ProducerClient } from './producer.js';
import { failedForGood, isFaultOfTheClient } from './clientFault.js';

/** A client for records that go in batches of their own: a broker refuses a batch as a whole, and most of it for the fault of others. */
export class OneByOne {
  readonly #make: () => ProducerClient;
  /** The present client, and how many of its records are not settled. */
  #line: { readonly client: ProducerClient; open: number } | undefined;
  #leaving: Promise<unknown> = Promise.resolve();

  /** @param make makes a client that puts one record into a batch; called when there is one to send. */
  constructor(make: () => ProducerClient) {
    this.#make = make;
  }

  send(record: Outgoing, settle: Settle): void {
    const line = (this.#line ??= { client: this.#make(), open: 0 });
    const { client } = line;
    line.open += 1;
    const done = (...outcome: Parameters<Settle>): void => {
      line.open -= 1;
      // One that is of no use any more is let go of when it has said so of all that it had.
      if (line !== this.#line && line.open === 0) this.#leave(client);
      settle(...outcome);
    };
    const fail = (error: DeliveryError): void => {
      const isClients = isFaultOfTheClient(error);
      if (isClients && this.#line === line) this.#line = undefined;
      done(isClients ? failedForGood(record, error) : error, undefined);
    };
    client.connect().then(
      () => {
        client.send({
          record,
          acknowledged: (partition, offset, timestamp) => {
            done(undefined, { topic: record.topic, partition, offset, timestamp });
          },
          failed: fail,
        });
      },
      (error: unknown) => {
        fail(failedForGood(record, error));
      },
    );
  }

  async close(): Promise<void> {
    if (this.#line !== undefined) this.#leave(this.#line.client);
    this.#line = undefined;
    await this.#leaving;
  }

  #leave(client: ProducerClient): void {
    this.#leaving = Promise.all([this.#leaving, client.end()]);
  }
}
