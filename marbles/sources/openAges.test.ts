import { describe, expect, it } from 'vitest';
import { OpenAges } from '../../src/sources/openAges.js';

describe('the age of the oldest open record', () => {
  it('is counted from the first sample that found it emitted', () => {
    const ages = new OpenAges();
    expect(ages.sample(1_000, 10, 4)).toBe(0);
    expect(ages.sample(2_000, 20, 4)).toBe(1_000);
    expect(ages.sample(3_000, 20, 4)).toBe(2_000);
    // Emitted between the first and the second sample.
    expect(ages.sample(4_000, 30, 15)).toBe(2_000);
    expect(ages.sample(5_000, 30, 29)).toBe(1_000);
  });

  it('is none where nothing is open, and begins anew after that', () => {
    const ages = new OpenAges();
    ages.sample(1_000, 10, 4);
    expect(ages.sample(2_000, 10, undefined)).toBe(0);
    expect(ages.sample(9_000, 12, 11)).toBe(0);
    expect(ages.sample(9_500, 12, 11)).toBe(500);
  });

  it('is never too long, and keeps little, however many samples pass while one record is open', () => {
    const ages = new OpenAges();
    const steps = 10_000;
    for (let i = 1; i <= steps; i += 1) expect(ages.sample(i, 10 * i, 3)).toBe(i - 1);
    // The one that is the oldest now was emitted by the sample at 5,000.
    const age = ages.sample(steps + 1, 10 * steps, 49_995);
    expect(age).toBeLessThanOrEqual(steps + 1 - 5_000);
    expect(age).toBeGreaterThan(0);
  });

  it('is not harmed by a clock that is set back', () => {
    const ages = new OpenAges();
    ages.sample(5_000, 10, 4);
    expect(ages.sample(1_000, 10, 4)).toBe(0);
  });
});
