import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { runRound } from '../../src/retention.ts';
import { deleteEndpoint, sweepDeletedEndpoints } from '../../src/webhooks/deletion.ts';
import { ask, issueCards, succeeded } from '../graphql/client.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { startReceiver } from '../support/receiver.ts';
import { change, createEndpoint, deliveryOf, finalEvents, readEndpoint } from './client.ts';

const all = await startTestApp({ settings: { BULKCAST_WEBHOOK_NETWORKS: '127.0.0.0/8' } });
const { db } = all.app;

/** The app with a project of its own. */
async function newShop(): Promise<TestApp> {
  return { ...all, project: await all.createProject() };
}

/** As many deliveries, each with an attempt, as an endpoint of long standing has. */
async function fill(endpointId: string, count: number): Promise<void> {
  await sql`
    with told as (
      insert into webhook_deliveries (endpoint_id, type, body, state, attempts, next_attempt_at, completed_at)
      select ${endpointId}, 'bulk_task.test', '{}', 'SUCCEEDED', 1, null, now() from generate_series(1, ${count})
      returning id
    )
    insert into webhook_attempts (delivery_id, number, status, duration_ms) select id, 1, 200, 5 from told`.execute(db);
}

const rowsOf = async (endpointId: string) => {
  const { rows } = await sql<{ endpoints: number; deliveries: number; attempts: number }>`
    select (select count(*) from webhook_endpoints where id = ${endpointId}) as endpoints,
      (select count(*) from webhook_deliveries where endpoint_id = ${endpointId}) as deliveries,
      (select count(*) from webhook_attempts join webhook_deliveries on id = delivery_id
        where endpoint_id = ${endpointId}) as attempts`.execute(db);
  return rows[0];
};

test('a deleted endpoint is gone at once for everybody, and its rows go in bounded batches', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  receiver.answer((response) => response.writeHead(500).end());
  const { id } = await createEndpoint(app, receiver.url);
  await issueCards(app, 1);
  const { id: waiting } = await deliveryOf(app, id, ({ attempts }) => attempts.length === 1);
  await fill(id, 2_499);
  const before = await readEndpoint(app, id);
  const { data } = await change(app, 'deleteWebhookEndpoint', id);
  expect(data.done).toMatchObject({ endpoint: { id, url: before?.url, disabledReason: null }, userErrors: [] });

  expect(await readEndpoint(app, id)).toBeNull();
  expect((await ask(app, '{ webhookEndpoints { id } }')).data).toEqual({ webhookEndpoints: [] });
  const calls = [
    ['updateWebhookEndpoint', { id, enabled: true }],
    ['rotateWebhookSecret', { id }],
    ['deleteWebhookEndpoint', id],
    ['testWebhookEndpoint', id],
    ['replayWebhookDelivery', waiting],
  ] as const;
  for (const [name, value] of calls) {
    expect((await change(app, name, value)).data.done.userErrors).toMatchObject([{ code: 'NOT_FOUND' }]);
  }
  for (let count = 0; count < 20; count += 1) await createEndpoint(app, 'https://shop.example', ['BULK_TASK_PAUSED']);

  expect(await rowsOf(id)).toMatchObject({ endpoints: 1, deliveries: 2_500, attempts: 2_500 });
  expect(await sweepDeletedEndpoints(db, 1_000)).toEqual({ webhook_deliveries: 1_000, webhook_endpoints: 0 });
  const { log, metrics } = all.app;
  await runRound({ db, log, metrics, config: readConfig({ environment: {} }) }, new AbortController().signal);
  expect(await rowsOf(id)).toEqual({ endpoints: 0, deliveries: 0, attempts: 0 });
});

test('what waited for a deleted endpoint is not sent, and nothing more is told to it', async () => {
  const app = await newShop();
  const [gone, kept] = [await startReceiver(), await startReceiver()];
  gone.answer((response) => response.writeHead(400).end());
  const { id } = await createEndpoint(app, gone.url);
  const { id: other } = await createEndpoint(app, kept.url);
  await issueCards(app, 1);
  // Its next attempt is two seconds away.
  await deliveryOf(app, id, ({ attempts }) => attempts.length === 1);
  await change(app, 'deleteWebhookEndpoint', id);
  const jobsOf = async () =>
    (
      await sql`select from pgboss.job where name = 'webhooks' and data->>'endpointId' = ${id}
        and state in ('created', 'retry', 'active')`.execute(db)
    ).rows.length;
  await succeeded(app, await issueCards(app, 1));
  await kept.waitFor(2);
  await expect.poll(jobsOf, { timeout: 10_000 }).toBe(0);
  expect(gone.received).toHaveLength(1);
  expect((await rowsOf(id))?.deliveries).toBe(1);
  expect((await readEndpoint(app, other))?.deliveries.nodes).toHaveLength(2);
});

test('tasks enter their states while an endpoint is being deleted, and what they told it meanwhile goes too', async () => {
  const app = await newShop();
  const { id } = await createEndpoint(app, 'https://shop.example', finalEvents);
  await db.transaction().execute(async (tx) => {
    await deleteEndpoint(tx, app.project.id, id);
    await succeeded(app, await issueCards(app, 1));
  });
  expect(await rowsOf(id)).toMatchObject({ endpoints: 1, deliveries: 1 });
  await sweepDeletedEndpoints(db, 1_000);
  await sweepDeletedEndpoints(db, 1_000);
  expect(await rowsOf(id)).toMatchObject({ endpoints: 0, deliveries: 0 });
});
