import { sql } from 'kysely';
import { expect, inject, test } from 'vitest';
import { createProject, makeUpCredentials } from '../../src/auth/projects.ts';
import { type Database, openDatabase } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { operations } from '../../src/operations/index.ts';
import type { EngineDeps } from '../../src/tasks/engine.ts';
import { openJobs } from '../../src/tasks/jobs.ts';
import { startTask } from '../../src/tasks/start.ts';
import { readTask } from '../../src/tasks/store.ts';
import { createDatabase } from '../support/database.ts';
import { startServe } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';

const cards = 300_000;
const kills = 4;

test('a task whose worker is killed several times ends by itself with each card issued once', {
  timeout: 180_000,
}, async () => {
  const { url } = await createDatabase();
  const log = createLog('silent');
  const client = openDatabase({ url, maxConnections: 4, applicationName: 'test', log });
  const jobs = await openJobs({ databaseUrl: url, role: 'gateway', slots: 0, log });
  const { db } = client;
  const credentials = makeUpCredentials();
  const projectId = await createProject(db, 'Test project', credentials);
  const limits = { maxItems: cards, maxCsvLineBytes: 1000 };
  const engine: EngineDeps = {
    db,
    jobs,
    operations,
    entered: async () => {},
    publish: () => {},
    limits,
    keepKeysDays: 7,
    log,
    metrics: createMetrics(),
  };
  const operation = operations.get('gift_cards.issue');
  if (operation === undefined) throw new Error('no such operation');
  const input = operation.input.parse({ programId: credentials.programId, initialValue: 5, count: cards });
  const { id } = await startTask(engine, { operation, input, projectId, requestId: 'v-test' });

  const startWorker = () =>
    startServe({
      DATABASE_URL: url,
      REDIS_URL: inject('redisUrl'),
      BULKCAST_ROLE: 'worker',
      BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC',
      BULKCAST_WORKER_SLOTS: '2',
    });
  let processed = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const worker = await startWorker();
    const progressed = async () => {
      const task = await readTask(db, id);
      return task !== undefined && task.processed > processed ? task : undefined;
    };
    const task = await waitFor(progressed, { timeoutMs: 40_000, message: `progress after kill ${kill}` });
    processed = task?.processed ?? 0;
    await worker.kill();
  }
  expect(processed).toBeLessThan(cards);

  const survivor = await startWorker();
  const hasEnded = async () => (await readTask(db, id))?.completedAt != null;
  await waitFor(hasEnded, { timeoutMs: 60_000, message: 'the task ends' });
  expect(await readTask(db, id)).toMatchObject({ state: 'SUCCEEDED', succeeded: cards, failed: 0, processed: cards });
  expect(await countCards(db)).toEqual({ cards, ids: cards, numbers: cards });
  expect(await survivor.stop()).toBe(0);
  await jobs.stop(1000);
  await client.stop();
});

async function countCards(db: Database) {
  const { rows } = await sql<{ cards: number; ids: number; numbers: number }>`
    select count(*) as cards, count(distinct id) as ids, count(distinct card_number) as numbers from gift_cards`.execute(
    db,
  );
  return rows[0];
}
