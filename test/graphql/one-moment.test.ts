import { type RawBuilder, sql } from 'kysely';
import { expect, test } from 'vitest';
import { startTestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { createEndpoint } from '../webhooks/client.ts';
import { ask, issueCards } from './client.ts';

const app = await startTestApp({ role: 'gateway' });
const { db } = app.app;

/** Asks, and has the change happen when all but `table` has been read. */
async function askAround<Data>(query: string, id: string, table: string, change: readonly RawBuilder<unknown>[]) {
  const isWaiting = async () => {
    const { rows } = await sql`
      select from pg_locks where relation = ${table}::regclass and mode = 'AccessShareLock' and not granted`.execute(
      db,
    );
    return rows.length > 0;
  };
  const answer = await db.transaction().execute(async (tx) => {
    await sql`lock table ${sql.table(table)} in access exclusive mode`.execute(tx);
    const asked = ask<Data>(app, query, { id });
    await waitFor(isWaiting, { message: `${table} is read` });
    for (const statement of change) await statement.execute(tx);
    return { asked };
  });
  return (await answer.asked).data;
}

test('the timeline and the phases of a task agree with its state, though it goes on while they are read', async () => {
  const id = await issueCards(app, 3);
  const query =
    'query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { state version timeline { state } phases { name } } } }';
  const before = { state: 'QUEUED', version: 1, timeline: [{ state: 'QUEUED' }], phases: [{ name: 'STAGING' }] };
  const change = [sql`update tasks set state = 'PAUSED', version = version + 1 where id = ${id}`];
  expect(await askAround(query, id, 'task_events', change)).toEqual({ bulkTask: before });
});

test('the attempts of a message agree with its state, though one is made while they are read', async () => {
  const { id } = await createEndpoint(app, 'https://receiver.test/');
  await sql`insert into webhook_deliveries (endpoint_id, type, body) values (${id}, 'bulk_task.test', '{}')`.execute(
    db,
  );
  const query =
    'query ($id: ID!) { webhookEndpoint(id: $id) { deliveries { nodes { state attempts { number error } } } } }';
  const change = [
    sql`update webhook_deliveries set state = 'SUCCEEDED', attempts = 1, next_attempt_at = null, completed_at = now()
        where endpoint_id = ${id}`,
    sql`insert into webhook_attempts (delivery_id, number, status, duration_ms)
        select id, 1, 204, 5 from webhook_deliveries where endpoint_id = ${id}`,
  ];
  expect(await askAround(query, id, 'webhook_attempts', change)).toEqual({
    webhookEndpoint: { deliveries: { nodes: [{ state: 'PENDING', attempts: [] }] } },
  });
  expect((await ask(app, query, { id })).data).toEqual({
    webhookEndpoint: { deliveries: { nodes: [{ state: 'SUCCEEDED', attempts: [{ number: 1, error: null }] }] } },
  });
});
