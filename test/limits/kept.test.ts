import { expect, test } from 'vitest';
import { keepUsed } from '../../src/limits/kept.ts';

test('what is unused is forgotten, and what is used is kept, however many there are', () => {
  let created = 0;
  const used = new Set<string>();
  const kept = keepUsed(
    (name) => {
      created += 1;
      return { name };
    },
    ({ name }) => !used.has(name),
  );
  used.add('used');
  const first = kept.get('used');
  const forgotten = kept.get('unused');
  for (let count = 0; count < 5_000; count += 1) kept.get(`name ${count}`);
  expect(kept.get('used')).toBe(first);
  expect(kept.get('unused')).not.toBe(forgotten);
  expect(created).toBe(5_003);
});
