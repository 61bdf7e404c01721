import fc from 'fast-check';

/** Where logs start: at 0, and where 32 bits or whole numbers run out. */
export const firstOffset = fc.constantFrom(0, 7, 2 ** 31 - 40, 2 ** 32 - 40, 2 ** 53 - 2 ** 20);

/** How far the next record is from the last: mostly one; compaction and transaction markers leave gaps, sometimes long ones. */
export const stepToNext = fc.oneof(
  { weight: 8, arbitrary: fc.constant(1) },
  { weight: 3, arbitrary: fc.integer({ min: 2, max: 6 }) },
  { weight: 1, arbitrary: fc.integer({ min: 7, max: 200 }) },
);
