import { expect, it } from 'vitest';
import { createPace } from '../../src/progress/pace.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { waitFor } from '../support/wait.ts';
import { snapshotOf } from './fixtures.ts';

it('lets the first through at once, then the newest of every 100 ms, and the final one at once', async () => {
  const passed: Snapshot[] = [];
  const pace = createPace((snapshot) => passed.push(snapshot));
  const [first, second, third, fourth] = [1, 2, 3, 4].map((version) => snapshotOf({ id: 'one', version }));
  const final = snapshotOf({ id: 'one', version: 5, state: 'FAILED' });
  if (!first || !second || !third || !fourth) throw new Error('expected four');
  for (const snapshot of [first, second, third, second]) pace.offer(snapshot);
  expect(passed).toStrictEqual([first]);
  await waitFor(() => passed.length === 2, { message: 'the newest one passes' });
  pace.offer(fourth);
  pace.offer(final);
  expect(passed).toStrictEqual([first, third, final]);
});

it('remembers what has passed until it forgets it, and then drops what waits too', async () => {
  const passed: Snapshot[] = [];
  const pace = createPace((snapshot) => passed.push(snapshot));
  const [kept, forgotten] = [snapshotOf({ version: 1 }), snapshotOf({ version: 1 })];
  pace.offer(kept);
  pace.offer(forgotten);
  pace.offer({ ...forgotten, version: 2 });
  pace.forgetBefore(0, () => false);
  pace.offer(forgotten);
  expect(passed).toStrictEqual([kept, forgotten]);
  pace.forgetBefore(Number.POSITIVE_INFINITY, (id) => id === kept.id);
  pace.offer(kept);
  pace.offer(forgotten);
  pace.offer({ ...kept, version: 2 });
  await waitFor(() => passed.length === 4, { message: 'what waited of the kept one passes' });
  expect(passed).toStrictEqual([kept, forgotten, forgotten, { ...kept, version: 2 }]);
});
