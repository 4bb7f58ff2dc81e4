import { expect, onTestFinished, test, vi } from 'vitest';
import { type LifetimeOptions, openLifetimes } from '../src/lifetimes.ts';

function open(options: Partial<LifetimeOptions<number>> = {}) {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const closed: number[] = [];
  const close = (connection: number) => closed.push(connection);
  return { closed, lifetimes: openLifetimes<number>({ maxAgeMs: 0, drainMs: 1_000, close, ...options }) };
}

test('sends a hundred at a time away, the oldest first', async () => {
  const { closed, lifetimes } = open();
  for (let one = 0; one < 250; one += 1) lifetimes.add(one);
  const drained = lifetimes.drain();
  expect(closed).toHaveLength(100);
  await vi.advanceTimersByTimeAsync(100);
  expect(closed).toHaveLength(200);
  await vi.advanceTimersByTimeAsync(100);
  expect(closed).toEqual(Array.from({ length: 250 }, (_, one) => one));
  await drained;
});

test('sends larger slices away when the window is short, and whoever comes meanwhile last', async () => {
  const { closed, lifetimes } = open();
  for (let one = 0; one < 5_000; one += 1) lifetimes.add(one);
  const drained = lifetimes.drain();
  expect(closed).toHaveLength(500);
  lifetimes.add(5_000);
  await vi.advanceTimersByTimeAsync(1_000);
  await drained;
  expect(closed).toHaveLength(5_001);
  expect(closed.at(-1)).toBe(5_000);
});

test('closes each at its age, give or take a tenth, and forgets who has gone', async () => {
  const { closed, lifetimes } = open({ maxAgeMs: 10_000 });
  for (let one = 0; one < 100; one += 1) lifetimes.add(one);
  lifetimes.delete(7);
  await vi.advanceTimersByTimeAsync(9_000);
  expect(closed.length).toBeLessThan(20);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(closed).toHaveLength(99);
  expect(closed).not.toContain(7);
});
