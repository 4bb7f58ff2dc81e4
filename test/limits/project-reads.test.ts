import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createGate } from '../../src/gate.ts';
import { ask, issueCards, overWebSocket, readAll } from '../graphql/client.ts';
import { startTestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';

const timelines = '{ bulkTasks(first: 5) { nodes { ... on TaskProgress { timeline { state } phases { name } } } } }';

test('the documents of one project leave connections to others, over every transport', async () => {
  const settings = { BULKCAST_DATABASE_CONNECTIONS: '8', BULKCAST_PROJECT_CONNECTIONS: '2' };
  const app = await startTestApp({ role: 'gateway', settings });
  const other = await app.createProject();
  for (let count = 0; count < 5; count += 1) await issueCards(app, 3);
  const socket = overWebSocket(app);
  const locked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const holding = app.app.db.transaction().execute(async (tx) => {
    await sql`lock table task_events in access exclusive mode`.execute(tx);
    locked.resolve();
    await release.promise;
  });
  await locked.promise;
  const slow = Array.from({ length: 10 }, () => [ask(app, timelines), readAll(socket.subscribe(timelines))]).flat();
  const waiting = async () => {
    const { rows } = await sql<{ count: number }>`
      select count(*)::integer as count from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(app.app.db);
    return rows[0]?.count;
  };
  await waitFor(async () => (await waiting()) === 2, { message: 'two queries hang' });
  const quick = await ask(app, '{ bulkTasks { nodes { __typename } } }', {}, other.headers);
  expect([quick.status, quick.errors]).toEqual([200, undefined]);
  expect(await waiting()).toBe(2);
  release.resolve();
  await holding;
  for (const answer of await Promise.all(slow)) expect(JSON.stringify(answer)).toContain('QUEUED');
  await socket.dispose();
});

test('who stands behind too many, or waits too long, is told to come again', async () => {
  const gate = createGate({ max: 1, maxWaiting: 1, maxWaitMs: 50 });
  await gate.enter();
  const late = gate.enter();
  await expect(gate.enter()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const next = gate.enter();
  gate.leave();
  await next;
  expect(gate.isIdle()).toBe(false);
  gate.leave();
  expect(gate.isIdle()).toBe(true);
});
