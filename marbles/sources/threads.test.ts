import { expect, it } from 'vitest';
import type { Cluster } from '../../src/cluster.js';
import { holdThread } from '../../src/sources/threads.js';

function cluster(): Cluster & { readonly told: string[] } {
  const told: string[] = [];
  return {
    told,
    brokers: [],
    connectTimeoutMs: 0,
    properties: {},
    topicProperties: {},
    emit: (event) => told.push(event.type === 'notice' ? event.message : event.type),
  };
}

it('tells each cluster once, when those who hold a thread leave one of the four or none', () => {
  const [one, two] = [cluster(), cluster()];
  const backs = [holdThread(one), holdThread(one)];
  expect(one.told).toEqual([]);
  backs.push(holdThread(one), holdThread(one));
  expect(one.told).toEqual([expect.stringMatching(/^3 sources .* 4 threads .*UV_THREADPOOL_SIZE=7 /)]);
  for (const back of backs) {
    back();
    back();
  }
  backs.push(holdThread(two), holdThread(two));
  expect(two.told).toEqual([]);
  backs.push(holdThread(two));
  expect(two.told).toHaveLength(1);
  for (const back of backs) back();
});
