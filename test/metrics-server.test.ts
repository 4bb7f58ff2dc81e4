import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createDatabase } from './support/database.ts';
import { secret, startTestApp } from './support/gateway.ts';
import { startServe } from './support/processes.ts';

test('a gateway tells its metrics where clients come to its own machine only, and no proxy on it', async () => {
  const app = await startTestApp({ role: 'gateway' });
  const here = await fetch(`${app.url}/metrics`);
  expect([here.status, await here.text()]).toEqual([200, expect.stringContaining('bulkcast_bus_up')]);
  for (const name of ['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'Via']) {
    const proxied = await fetch(`${app.url}/metrics`, { headers: { [name]: '127.0.0.1' } });
    expect([proxied.status, await proxied.json()]).toEqual([403, expect.objectContaining({ status: 403 })]);
  }
});

test('metrics are told without the database too, all but the tasks', async () => {
  const app = await startTestApp({ role: 'gateway' });
  await sql`alter table tasks rename to tasks_hidden`.execute(app.app.db);
  const answer = await fetch(`${app.url}/metrics`);
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('bulkcast_bus_up')]);
  expect(app.logs.map(({ event }) => event)).toContain('metrics.tasks_not_counted');
  await sql`alter table tasks_hidden rename to tasks`.execute(app.app.db);
});

test('many scrapes at a time are one query', async () => {
  const app = await startTestApp({ role: 'gateway' });
  const scrapes = Array.from({ length: 30 }, () => fetch(`${app.url}/metrics`));
  for (const { status } of await Promise.all(scrapes)) expect(status).toBe(200);
  const { rows } = await sql<{ connections: number }>`
    select count(*)::integer as connections from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and query ~ 'from "tasks" where "completed_at" is null'`.execute(
    app.app.db,
  );
  expect(rows[0]?.connections).toBe(1);
});

test('with a port of their own they are there, and nowhere else', async () => {
  const { url } = await createDatabase();
  const env = { DATABASE_URL: url, BULKCAST_SECRET: secret, BULKCAST_METRICS_PORT: '0' };
  const running = await startServe(env);
  const listening = await running.waitForLog('metrics.listening');
  const metrics = `${listening.url}/metrics`;
  const proxied = await fetch(metrics, { headers: { 'x-forwarded-for': '203.0.113.1' } });
  expect([proxied.status, await proxied.text()]).toEqual([200, expect.stringContaining('bulkcast_bus_up')]);
  expect((await fetch(`${running.url}/metrics`)).status).toBe(404);
  expect((await fetch(`${listening.url}/graphql`)).status).toBe(404);
  expect(await running.stop()).toBe(0);
});
