import { expect, test } from 'vitest';
import { makeUpCredentials } from '../../src/auth/projects.ts';
import { slotOf } from '../../src/progress/cluster-slots.ts';
import { createDatabase } from '../support/database.ts';
import { checkInvariantsOf } from '../support/invariants.ts';
import { type ServeProcess, startServe } from '../support/processes.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { waitFor } from '../support/wait.ts';
import { environmentOf, expectOrder, followInSteps, issueCards, readMetric, watch } from './cluster.ts';

test('processes over a Redis Cluster push on when a slot moves and its primary dies', { timeout: 90_000 }, async () => {
  const [{ url }, redis] = await Promise.all([createDatabase(), startRedisCluster()]);
  const credentials = makeUpCredentials();
  const environment = environmentOf(url, redis.url, credentials);
  const [gateway, worker] = await Promise.all([
    startServe({ ...environment, BULKCAST_ROLE: 'gateway' }),
    startServe({ ...environment, BULKCAST_ROLE: 'worker' }),
  ]);
  const [primary] = redis.primaries;

  const during = watch(gateway, credentials, await issueCards(gateway, credentials, 200_000));
  await waitFor(async () => (await redis.channels()).length > 0, { message: 'the gateway listens' });
  const [channel = ''] = await redis.channels();
  const slot = slotOf(channel);
  // It may be there by chance: then it comes back.
  if ((await redis.ownerOf(slot)) === primary) await redis.moveSlot(slot, redis.primaries[1]);
  await redis.moveSlot(slot, primary);
  await primary.server.kill();
  const updates = await during;
  expectOrder(updates);
  expect(updates.at(-1)).toMatchObject({ state: 'SUCCEEDED', counts: { processed: 200_000 } });

  await waitFor(async () => isReplaced(gateway, redis.replica.name), { message: 'the gateway uses the replica' });
  await waitFor(async () => (await readMetric(gateway, 'bulkcast_bus_up')) === 1, { message: 'the bus is up' });
  expectOrder(await followInSteps({ started: gateway, watched: gateway }, environment, credentials));
  await waitFor(async () => (await redis.channels()).length === 0, { message: 'no channel is left' });
  await checkInvariantsOf(url);
  expect(await Promise.all([gateway.stop(), worker.stop()])).toEqual([0, 0]);
});

function isReplaced({ logs }: ServeProcess, name: string): boolean {
  return JSON.stringify(logs.findLast(({ event }) => event === 'bus.primaries')).includes(name);
}
