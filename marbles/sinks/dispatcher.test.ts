import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { frameBytes } from '../../src/sinks/frame.js';
import { FakeKafka, FakeSpill, outgoingOf, publishing } from '../support/publishing.js';
import { at, inVirtualTime } from '../support/virtualTime.js';

// Of the first wait of 100 ms, then 75 ms are left.
beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const states = { k: 'kafka', s: 'spilling', r: 'replaying' };

describe('a publisher', () => {
  it(
    'sends to Kafka while it is there, to the disk while it is away, and what is on disk after it is back',
    inVirtualTime(({ expectObservable }) => {
      const { kafka, spill, dispatcher, outcomes, send } = publishing();
      //            1         2                                  the probe at 10 fails at 11, the next comes 75 ms later and answers at 87
      const states$ = 'rk--------s 76ms r---k';
      at(5, () => send('a'));
      at(10, () => {
        kafka.isUp = false;
        dispatcher.suspect();
        send('b', 'c');
      });
      at(50, () => {
        kafka.isUp = true;
      });
      at(88, () => send('d'));
      expectObservable(dispatcher.state$, '^ 500ms !').toBe(states$, states);
      at(200, () => {
        expect(outcomes).toEqual(['a kafka', 'b disk', 'c disk', 'd kafka']);
        // What is new does not wait for what is on disk.
        expect(kafka.arrived).toEqual(['a', 'd', 'b', 'c']);
        expect(spill.left).toEqual([]);
        expect(dispatcher.stats()).toMatchObject({ accepted: 4, delivered: 2, spilled: 2, replayed: 2, outages: 1 });
      });
    }),
  );

  it(
    'holds what is sent before the first word from Kafka, and brings it to the disk if there is none',
    inVirtualTime(() => {
      const kafka = new FakeKafka();
      kafka.isUp = false;
      const { outcomes, send, spill } = publishing({}, kafka);
      send('a', 'b');
      expect(kafka.tries).toEqual([]);
      at(10, () => {
        expect(outcomes).toEqual(['a disk', 'b disk']);
        expect(spill.writes).toBe(1);
        expect(kafka.tries).toEqual([]);
      });
    }),
  );

  it(
    'replays what an earlier run has left, oldest first',
    inVirtualTime(({ expectObservable }) => {
      const { dispatcher, kafka, spill } = publishing({}, new FakeKafka(), new FakeSpill(['a', 'b', 'c']));
      expectObservable(dispatcher.state$, '^ 500ms !').toBe('r----k', states);
      at(100, () => {
        expect(kafka.arrived).toEqual(['a', 'b', 'c']);
        expect(spill.left).toEqual([]);
      });
    }),
  );

  it(
    'tries again after a wait that doubles, and then gives the message to the disk',
    inVirtualTime(() => {
      const { kafka, outcomes, send, dispatcher } = publishing({ retries: 2 });
      const triedAt: number[] = [];
      const trySend = kafka.send.bind(kafka);
      kafka.send = (record, settle) => {
        triedAt.push(Math.round(dispatcher.stats().queued.messages));
        trySend(record, settle);
      };
      kafka.fails = (value) => (value === 'a' ? 'for now' : undefined);
      at(2, () => send('a'));
      at(2 + 2 + 75 + 2 + 150 + 2 - 1, () => {
        expect(kafka.tries).toEqual(['a', 'a', 'a']);
        expect(outcomes).toEqual([]);
      });
      at(2 + 2 + 75 + 2 + 150 + 2 + 2 + 1, () => {
        expect(outcomes).toEqual(['a disk']);
        expect(dispatcher.stats()).toMatchObject({ retries: 2, spilled: 1, outages: 1 });
      });
    }),
  );

  it(
    'does not hold the others back when one message never arrives',
    inVirtualTime(() => {
      const { kafka, outcomes, send } = publishing({ retries: 0 });
      kafka.fails = (value) => (value === 'x' ? 'for now' : undefined);
      at(2, () => send('x'));
      for (let ms = 10; ms < 500; ms += 10) at(ms, () => send('a'));
      at(2_000, () => {
        expect(outcomes.filter((outcome) => outcome === 'a kafka' || outcome === 'a disk')).toHaveLength(49);
        expect(kafka.arrived).toHaveLength(49);
      });
      at(2_001, () => {
        kafka.fails = () => undefined;
      });
      at(9_000, () => {
        expect(kafka.arrived).toHaveLength(50);
      });
    }),
  );

  it(
    'has what is on disk for a topic that is not there hold up nothing else there, says so once, and delivers it when there is one',
    inVirtualTime(() => {
      const missing = Array.from({ length: 1_200 }, (_, i) => `x${i}`);
      const { kafka, spill, troubles, dispatcher } = publishing({ retries: 0 }, new FakeKafka(), new FakeSpill([...missing, 'a', 'b']));
      kafka.fails = (value) => (value.startsWith('x') ? 'for now' : undefined);
      kafka.failMs = 1_000;
      at(20_000, () => {
        expect(kafka.arrived).toEqual(['a', 'b']);
        expect(troubles).toEqual(['for now']);
        expect(spill.left.toSorted()).toEqual(missing.toSorted());
        expect(dispatcher.stats()).toMatchObject({
          spilled: 0,
          replayed: 2,
          onDisk: { records: 1_200 },
          queued: { messages: 0, bytes: 0 },
        });
        kafka.fails = () => undefined;
      });
      at(40_000, () => {
        expect(kafka.arrived.toSorted()).toEqual(['a', 'b', ...missing].toSorted());
        expect(dispatcher.stats()).toMatchObject({ state: 'kafka', replayed: 1_202, onDisk: { records: 0 } });
      });
    }),
  );

  it(
    'drops what nobody takes when it is too old, however often it was put back',
    inVirtualTime(() => {
      const { kafka, spill, dispatcher, send } = publishing(
        { retries: 0, maxSpillAgeMs: 5_000 },
        new FakeKafka(),
        new FakeSpill(['x1', 'x2']),
      );
      kafka.fails = (value) => (value.startsWith('x') ? 'for now' : undefined);
      kafka.failMs = 300;
      for (let ms = 10; ms < 6_000; ms += 10) at(ms, () => send('a'));
      at(4_000, () => {
        expect(spill.written.length).toBeGreaterThan(10);
        expect(dispatcher.stats().dropped.age).toBe(0);
      });
      at(9_000, () => {
        expect(spill.left).toEqual([]);
        expect(dispatcher.stats()).toMatchObject({ dropped: { age: 2 }, outages: 0, state: 'kafka' });
      });
    }),
  );

  it(
    'keeps what is on disk for a topic that is not there where it is, where the disk is full',
    inVirtualTime(() => {
      const { kafka, spill, dispatcher } = publishing({ retries: 0 }, new FakeKafka(), new FakeSpill(['x1', 'x2', 'a']));
      spill.quotaRecords = 2;
      kafka.fails = (value) => (value.startsWith('x') ? 'for now' : undefined);
      at(20_000, () => {
        expect(kafka.arrived).toEqual(['a']);
        expect(spill.left).toEqual(['x1', 'x2']);
        expect(dispatcher.stats().dropped).toMatchObject({ quota: 0, disk: 0 });
        kafka.fails = () => undefined;
      });
      at(40_000, () => {
        expect(kafka.arrived.toSorted()).toEqual(['a', 'x1', 'x2']);
      });
    }),
  );

  it(
    'drops what Kafka refuses, and says so once',
    inVirtualTime(() => {
      const { kafka, outcomes, send, troubles, dispatcher } = publishing();
      kafka.fails = (value) => (value.startsWith('x') ? 'refused' : undefined);
      at(2, () => send('x1', 'x2', 'a'));
      at(20, () => {
        expect(outcomes).toEqual(['x1 dropped refused', 'x2 dropped refused', 'a kafka']);
        expect(troubles).toEqual(['refused']);
        expect(dispatcher.stats()).toMatchObject({ accepted: 3, delivered: 1, dropped: { refused: 2 } });
      });
    }),
  );

  it(
    'rejects what finds no room in memory, and brings half of it to the disk where Kafka is slow',
    inVirtualTime(() => {
      const { kafka, outcomes, send, dispatcher } = publishing({ maxQueued: 4 });
      kafka.ackMs = 500;
      at(2, () => {
        expect(send('a', 'b', 'c', 'd', 'e')).toEqual([undefined, undefined, undefined, undefined, 'queue-full']);
        expect(dispatcher.stats().queued.messages).toBe(4);
      });
      at(10, () => {
        expect(outcomes).toEqual(['c disk', 'd disk']);
      });
      at(2_000, () => {
        expect(kafka.arrived.toSorted()).toEqual(['a', 'b', 'c', 'd']);
        expect(dispatcher.stats().queued).toEqual({ messages: 0, bytes: 0 });
      });
    }),
  );

  it(
    'takes as many bytes as it may hold in memory, and not one more; and again when they have arrived',
    inVirtualTime(() => {
      const four = 4 * frameBytes(outgoingOf('a'));
      const rejections = [four - 1, four, four + 1].map((maxQueuedBytes) => {
        const { send, dispatcher, outcomes } = publishing({ maxQueuedBytes });
        // Neither Kafka nor the disk has answered.
        const said = send('a', 'b', 'c', 'd', 'e');
        expect(dispatcher.stats().queued.bytes).toBeLessThanOrEqual(maxQueuedBytes);
        at(1_000, () => {
          expect(outcomes.filter((outcome) => outcome.endsWith('kafka') || outcome.endsWith('disk'))).toHaveLength(
            said.filter((reason) => reason === undefined).length,
          );
          expect(send('f', 'g', 'h')).toEqual([undefined, undefined, undefined]);
        });
        return said.filter((reason) => reason === 'queue-full').length;
      });
      expect(rejections).toEqual([2, 1, 1]);
    }),
  );

  it(
    'tries to write again where the disk fails, and then drops, counts and reports',
    inVirtualTime(() => {
      const kafka = new FakeKafka();
      kafka.isUp = false;
      const { outcomes, send, spill, troubles, dispatcher } = publishing({}, kafka);
      spill.failWrites = 1;
      at(5, () => send('a'));
      at(400, () => {
        expect(outcomes).toEqual(['a disk']);
        expect(spill.writes).toBe(2);
        spill.failWrites = 99;
        send('b', 'c');
      });
      at(3_000, () => {
        expect(outcomes).toEqual(['a disk', 'b dropped disk', 'c dropped disk']);
        expect(spill.writes).toBe(2 + 4 + 4);
        expect(troubles).toEqual([expect.stringMatching(/^the spill directory \/spill took nothing \(EIO\): a message to t .* is lost/)]);
        expect(dispatcher.stats()).toMatchObject({ spilled: 1, dropped: { disk: 2 }, queued: { messages: 0, bytes: 0 } });
      });
    }),
  );

  it(
    'drops what comes when the quota is used up, and keeps what is there',
    inVirtualTime(() => {
      const kafka = new FakeKafka();
      kafka.isUp = false;
      const { outcomes, send, spill, troubles } = publishing({}, kafka);
      spill.quotaRecords = 2;
      at(5, () => send('a', 'b', 'c'));
      at(20, () => send('d'));
      at(30, () => {
        expect(outcomes).toEqual(['a disk', 'c dropped quota', 'b disk', 'd dropped quota']);
        expect(spill.left).toEqual(['a', 'b']);
        expect(troubles).toHaveLength(2);
      });
    }),
  );

  it(
    'drops what has been on disk for too long, whether Kafka is back or not',
    inVirtualTime(() => {
      const kafka = new FakeKafka();
      kafka.isUp = false;
      const { send, spill, dispatcher } = publishing({ maxSpillAgeMs: 500 }, kafka);
      at(5, () => send('a', 'b'));
      at(3_000, () => {
        expect(spill.left).toEqual([]);
        expect(dispatcher.stats().dropped.age).toBe(2);
      });
    }),
  );

  it(
    'reads again where the disk could not be read',
    inVirtualTime(() => {
      const spill = new FakeSpill(['a', 'b']);
      spill.failReads = 3;
      const { kafka, troubles } = publishing({}, new FakeKafka(), spill);
      at(3_000, () => {
        expect(kafka.arrived).toEqual(['a', 'b']);
        expect(troubles).toEqual(['EIO']);
      });
    }),
  );

  it(
    'counts anew after resetStats, and what it holds stays',
    inVirtualTime(() => {
      const { send, dispatcher, kafka } = publishing();
      kafka.ackMs = 50;
      at(2, () => send('a'));
      at(10, () => {
        dispatcher.resetStats();
        expect(dispatcher.stats()).toMatchObject({ since: 10, accepted: 0, queued: { messages: 1 } });
      });
    }),
  );

  it(
    'survives a callback that throws, and one that sends',
    inVirtualTime(() => {
      vi.useFakeTimers();
      const { dispatcher, kafka } = publishing();
      const again = vi.fn(() => {
        dispatcher.accept(outgoingOf('b'), undefined);
        throw new Error('of the caller');
      });
      at(2, () => dispatcher.accept(outgoingOf('a'), again));
      at(30, () => {
        expect(kafka.arrived).toEqual(['a', 'b']);
        expect(again).toHaveBeenCalledOnce();
        expect(() => vi.runAllTimers()).toThrow('of the caller');
        vi.useRealTimers();
      });
    }),
  );
});

describe('closing', () => {
  it(
    'waits for what is on its way',
    inVirtualTime(() => {
      const { send, dispatcher, outcomes } = publishing();
      let closedAt: number | undefined;
      at(0, () => send('a'));
      at(0, () => {
        dispatcher.close(() => {
          closedAt = outcomes.length;
        });
        expect(send('b')).toEqual(['closed']);
      });
      at(10, () => {
        expect(outcomes).toEqual(['a kafka']);
        expect(closedAt).toBe(1);
      });
    }),
  );

  it(
    'brings to the disk what Kafka does not take in time, and completes',
    inVirtualTime(({ expectObservable }) => {
      const { send, dispatcher, kafka, outcomes } = publishing({ closeTimeoutMs: 20 });
      kafka.ackMs = 5_000;
      at(2, () => send('a', 'b'));
      at(3, () => {
        dispatcher.close(() => outcomes.push('closed'));
      });
      expectObservable(dispatcher.state$).toBe('rk 21ms r-|', states);
      at(100, () => {
        expect(outcomes).toEqual(['a disk', 'b disk', 'closed']);
      });
    }),
  );

  it(
    'does not wait for a Kafka that is away',
    inVirtualTime(() => {
      const { send, dispatcher, kafka, outcomes } = publishing();
      kafka.failMs = 10_000;
      at(2, () => {
        kafka.isUp = false;
        send('a');
        dispatcher.suspect();
        dispatcher.close(() => outcomes.push('closed'));
      });
      at(10, () => {
        expect(outcomes).toEqual(['a disk', 'closed']);
      });
    }),
  );
});

describe("with order: 'key'", () => {
  it(
    'has one message of a key on its way at a time, and any number of others',
    inVirtualTime(() => {
      const { kafka, send } = publishing({ order: 'key' });
      at(2, () => {
        send('a1', 'a2', 'b1');
        expect(kafka.tries).toEqual(['a1', 'b1']);
      });
      at(20, () => {
        expect(kafka.arrived).toEqual(['a1', 'b1', 'a2']);
      });
    }),
  );

  it(
    'lets what is on disk go first, and then goes straight to Kafka again',
    inVirtualTime(() => {
      const { kafka, send, outcomes, dispatcher } = publishing({ order: 'key' }, new FakeKafka(), new FakeSpill(['a1', 'a2']));
      let sent = 0;
      for (let ms = 1; ms < 100; ms += 1) at(ms, () => send(`a${(sent += 1) + 2}`));
      at(1_000, () => {
        expect(kafka.arrived).toEqual(Array.from({ length: 101 }, (_, i) => `a${i + 1}`));
        expect(outcomes.at(-1)).toBe('a101 kafka');
        expect(dispatcher.stats().state).toBe('kafka');
      });
    }),
  );
});
