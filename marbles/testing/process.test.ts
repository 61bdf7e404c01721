import { VirtualTimeScheduler, interval, take } from 'rxjs';
import { expect, it } from 'vitest';
import { Process } from '../../src/testing/process.js';

it('nothing happens in a process that was killed, what was due before included', () => {
  const clock = new VirtualTimeScheduler();
  const [process, other] = [new Process(clock), new Process(clock)];
  const happened: string[] = [];
  const happens = (what: string) => (): void => {
    happened.push(what);
  };
  process.schedule(happens('before'), 1);
  process.schedule(happens('after'), 3);
  other.schedule(happens('elsewhere'), 4);
  interval(1, process)
    .pipe(take(5))
    .forEach((n) => happened.push(`tick ${n}`))
    .catch(happens('never'));
  clock.schedule(() => {
    process.kill();
    process.schedule(happens('later'), 1);
  }, 2.5);
  clock.flush();
  expect(happened).toEqual(['before', 'tick 0', 'tick 1', 'elsewhere']);
  expect([process.alive, other.alive, process.now()]).toEqual([false, true, 4]);
});
