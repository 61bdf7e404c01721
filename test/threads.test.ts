import { merge } from 'rxjs';
import { expect, inject, it } from 'vitest';
import { createTopic } from '../broker/index.js';
import { Kafka, readTopic } from '../src/index.js';
import { unique } from './support/numbered.js';
import { eventually } from './support/eventually.js';

const brokers = inject('brokers');

it("sources that leave hardly a thread of libuv's pool are told of it, with the number to set", async () => {
  const topic = unique('threads');
  await createTopic(brokers, topic, { partitions: 1 });
  await using kafka = new Kafka({ brokers });
  const notices: string[] = [];
  const failures: unknown[] = [];
  const heard = kafka.events$.forEach((event) => {
    // Without the addon there is one about that, too.
    if (event.type === 'notice' && event.message.includes('UV_THREADPOOL_SIZE')) notices.push(event.message);
  });
  const live = [1, 2, 3, 4].map(() => readTopic(kafka, topic));
  const sources = merge(...live).subscribe({ error: (error: unknown) => failures.push(error) });
  await eventually(() => {
    expect(notices).toEqual([expect.stringMatching(/^3 sources wait .* of the 4 threads .* UV_THREADPOOL_SIZE=7 /)]);
  });
  sources.unsubscribe();
  expect(failures).toEqual([]);
  await kafka.close();
  await heard;
});
