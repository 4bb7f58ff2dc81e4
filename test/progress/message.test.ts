import { expect, it } from 'vitest';
import { decodeSnapshot, encodeSnapshot } from '../../src/progress/message.ts';
import { snapshotOf } from './fixtures.ts';

it('carries a snapshot without changing it', () => {
  const running = snapshotOf();
  const failed = snapshotOf({
    state: 'FAILED',
    model: 'BULK_ISSUANCE',
    error: 'no',
    startedAt: null,
    completedAt: new Date(),
    rate: { perSecond: 2, until: null },
  });
  for (const snapshot of [running, failed]) {
    expect(decodeSnapshot(encodeSnapshot(snapshot))).toStrictEqual(snapshot);
  }
});

it('ignores what a later release adds', () => {
  const snapshot = snapshotOf();
  const later = JSON.stringify({ ...snapshot, region: 'eu' });
  expect(decodeSnapshot(later)).toStrictEqual(snapshot);
});

it.each([
  ['no JSON', '{'],
  ['no object', '[]'],
  ['nothing in it', '{}'],
  ['an unknown state', JSON.stringify({ ...snapshotOf(), state: 'LOST' })],
  ['a time that is none', JSON.stringify({ ...snapshotOf(), updatedAt: 'yesterday' })],
  ['a version of 0', JSON.stringify({ ...snapshotOf(), version: 0 })],
  ['half a count', JSON.stringify({ ...snapshotOf(), processed: 0.5 })],
  ['parameters that are a list', JSON.stringify({ ...snapshotOf(), parameters: [] })],
])('refuses a message with %s', (_name, text) => {
  expect(() => decodeSnapshot(text)).toThrow();
});
