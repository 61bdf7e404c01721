import { describe, expect, it } from 'vitest';
import { Kafka } from '../src/kafka.js';

describe('Kafka', () => {
  it('closes its sources before its sinks, so that what is in flight can still be written', async () => {
    const kafka = new Kafka({ brokers: ['localhost:9092'] });
    const happened: string[] = [];
    const client = (kind: 'source' | 'sink') => ({
      kind,
      close: async () => {
        happened.push(`${kind} closes`);
        await Promise.resolve();
        happened.push(`${kind} closed`);
      },
    });
    kafka.register(client('sink'));
    kafka.register(client('source'));
    const gone = kafka.register(client('source'));
    gone();

    await Promise.all([kafka.close(), kafka.close()]);

    expect(happened).toEqual(['source closes', 'source closed', 'sink closes', 'sink closed']);
  });
});
