import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { atEndOfFile } from '../support/at-end.ts';
import { createDatabase } from '../support/database.ts';
import { openFleet } from '../support/fleet.ts';
import { checkInvariants } from '../support/invariants.ts';
import { createRandom } from '../support/random.ts';

const cards = 500_000;
const kills = 50;
const lanes = 3;

test('a task whose workers are killed 50 times at random moments issues each card once', {
  timeout: 180_000,
}, async () => {
  const { url } = await createDatabase();
  const fleet = await openFleet({ databaseUrl: url, redisUrl: inject('redisUrl') });
  // Fifty processes start faster when they need not compile the same again.
  const cache = await mkdtemp(join(tmpdir(), 'bulkcast-compiled-'));
  atEndOfFile(() => rm(cache, { recursive: true }));
  const startWorker = () =>
    fleet.start('worker', { BULKCAST_WORKER_SLOTS: '1', NODE_COMPILE_CACHE: cache, BULKCAST_LOG: 'debug' });
  await (await startWorker()).stop();

  const id = await fleet.issue(cards);
  const first = await startWorker();
  const startedMs = performance.now();
  await first.waitForLog('chunk.committed');
  // Long enough to be in the middle of a chunk, too short to apply many of the fifty.
  const longestLifeMs = 1.2 * (performance.now() - startedMs);
  await first.kill();
  await fleet.expireHeartbeats();
  const random = createRandom(20_260_301);
  let left = kills;
  let inHand = 0;
  const kill = async () => {
    while (left > 0) {
      left -= 1;
      const lifeMs = random() * longestLifeMs;
      const worker = await startWorker();
      await delay(lifeMs);
      await worker.kill();
      inHand += await fleet.expireHeartbeats();
    }
  };
  await Promise.all(Array.from({ length: lanes }, kill));
  expect(inHand).toBeGreaterThan(kills / 4);
  expect(await fleet.read(id)).toMatchObject({ state: 'RUNNING' });

  const survivors = await Promise.all([startWorker(), startWorker()]);
  expect(await fleet.ended(id, 60_000)).toMatchObject({ state: 'SUCCEEDED', succeeded: cards, failed: 0 });
  await checkInvariants(fleet.db);
  for (const survivor of survivors) expect(await survivor.stop()).toBe(0);
});
