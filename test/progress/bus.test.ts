import { randomUUID } from 'node:crypto';
import { describe, expect, inject, it } from 'vitest';
import type { Bus } from '../../src/progress/bus.ts';
import { openMemoryBus } from '../../src/progress/memory-bus.ts';
import { openRedisBus } from '../../src/progress/redis-bus.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { waitFor } from '../support/wait.ts';
import { recordLog, snapshotOf } from './fixtures.ts';

const open = {
  memory: () => openMemoryBus(),
  redis: () => openRedisBus({ url: inject('redisUrl'), log: recordLog(), failed: () => undefined }),
};

describe.each(['memory', 'redis'] as const)('the %s bus', (kind) => {
  const openBus = async (): Promise<Bus> => {
    const bus = open[kind]();
    atEndOfFile(bus.stop);
    await waitFor(bus.isUp, { message: 'the bus is up' });
    return bus;
  };

  it('brings everything of a project to all its listeners, in order', async () => {
    const bus = await openBus();
    const projectId = randomUUID();
    const first: Snapshot[] = [];
    const second: Snapshot[] = [];
    await bus.subscribe(projectId, (snapshot) => first.push(snapshot));
    await bus.subscribe(projectId, (snapshot) => second.push(snapshot));
    const sent = Array.from({ length: 100 }, (_, index) => snapshotOf({ projectId, version: index + 1 }));
    for (const snapshot of sent) bus.publish(snapshot);
    await waitFor(() => second.length === sent.length, { message: 'all snapshots arrive' });
    expect(first).toStrictEqual(sent);
    expect(second).toStrictEqual(sent);
  });

  it('keeps projects apart', async () => {
    const bus = await openBus();
    const [mine, theirs] = [snapshotOf(), snapshotOf()];
    const received: Snapshot[] = [];
    await bus.subscribe(mine.projectId, (snapshot) => received.push(snapshot));
    bus.publish(theirs);
    bus.publish(mine);
    await waitFor(() => received.length > 0, { message: 'mine arrives' });
    expect(received).toStrictEqual([mine]);
  });

  it('misses nothing once it has subscribed, while others come and go', async () => {
    const bus = await openBus();
    const projectId = randomUUID();
    for (let round = 1; round <= 30; round += 1) {
      const other = bus.subscribe(projectId, () => undefined).then((subscription) => subscription.unsubscribe());
      const received: Snapshot[] = [];
      const subscription = await bus.subscribe(projectId, (snapshot) => received.push(snapshot));
      bus.publish(snapshotOf({ projectId, version: round }));
      await waitFor(() => received.length === 1, { message: `round ${round} arrives` });
      await Promise.all([subscription.unsubscribe(), other]);
    }
  });

  it('brings nothing to a listener that has left, and does not mind leaving twice', async () => {
    const bus = await openBus();
    const snapshot = snapshotOf();
    const received: string[] = [];
    const leaving = await bus.subscribe(snapshot.projectId, () => received.push('left'));
    await bus.subscribe(snapshot.projectId, () => received.push('stayed'));
    await leaving.unsubscribe();
    await leaving.unsubscribe();
    bus.publish(snapshot);
    await waitFor(() => received.length > 0, { message: 'the other listener is told' });
    expect(received).toStrictEqual(['stayed']);
  });

  it('does not call a listener before publish has returned', async () => {
    const bus = await openBus();
    const snapshot = snapshotOf();
    const steps: string[] = [];
    await bus.subscribe(snapshot.projectId, () => steps.push('told'));
    bus.publish(snapshot);
    steps.push('published');
    await waitFor(() => steps.length === 2, { message: 'the listener is told' });
    expect(steps).toStrictEqual(['published', 'told']);
  });

  it('stops twice, and then neither publishing nor subscribing throws', async () => {
    const bus = await openBus();
    await Promise.all([bus.stop(), bus.stop()]);
    bus.publish(snapshotOf());
    const subscription = await bus.subscribe(randomUUID(), () => undefined);
    await subscription.unsubscribe();
  });
});
