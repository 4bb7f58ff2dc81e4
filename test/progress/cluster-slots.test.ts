import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { readRedirection, readSlots, slotOf } from '../../src/progress/cluster-slots.ts';

it('knows the slot of a channel as the specification of Redis Cluster gives it', () => {
  // The check value of CRC-16/XMODEM is 0x31c3.
  expect(slotOf('123456789')).toBe(0x31c3);
  expect(slotOf('')).toBe(0);
});

it('spreads projects over all slots', () => {
  const slots = Array.from({ length: 10_000 }, () => slotOf(`bulkcast:project:${randomUUID()}`));
  for (let third = 0; third < 3; third += 1) {
    const share = slots.filter((slot) => Math.floor((slot * 3) / 16_384) === third).length;
    expect(share).toBeGreaterThan(3_000);
  }
});

it('reads who serves what, by address, by name, or at the node that was asked', () => {
  const answer = [
    [0, 1, ['10.0.0.1', 6379, 'id', ['hostname', 'a.example']], ['10.0.0.2', 6379, 'replica']],
    [2, 2, [null, 6380, 'id']],
    [3, 16_383, ['::1', 6381, 'id']],
  ];
  expect(readSlots(answer, 'asked')).toStrictEqual([
    { first: 0, last: 1, node: '10.0.0.1:6379' },
    { first: 2, last: 2, node: 'asked:6380' },
    { first: 3, last: 16_383, node: '::1:6381' },
  ]);
  expect(() => readSlots([], 'asked')).toThrow('asked knows no slots');
  expect(() => readSlots('OK', 'asked')).toThrow();
});

it.each([
  ['MOVED 3999 127.0.0.1:6381', '127.0.0.1:6381'],
  ['MOVED 3999 :6381', 'asked:6381'],
  ['MOVED 3999 ::1:6381', '::1:6381'],
  ['ERR something else', undefined],
])('reads where "%s" leads', (message, node) => {
  const slot = node === undefined ? undefined : { first: 3999, last: 3999, node };
  expect(readRedirection(new Error(message), 'asked')).toStrictEqual(slot);
});
