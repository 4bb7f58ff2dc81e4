import { once } from 'node:events';
import { connect } from 'node:net';
import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import type { TaskStatus } from '../../src/rest/bulk-issuance/shapes.ts';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { countChunk, failTask, markRunning } from '../../src/tasks/store.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { type Client, createClient, present } from './client.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  // A gateway alone: the tests play the worker.
  app = await startTestApp({ role: 'gateway', settings: { BULKCAST_POLL_WAIT_MS: '0' } });
  client = createClient(app);
});

/** A running issuance of so many cards, and its path. */
async function startRunning(count = 100, of: TestApp = app): Promise<{ id: string; path: string }> {
  const { post, bulk } = createClient(of);
  const { body } = await post<{ taskId: string }>(bulk, { initialValue: 5, count });
  present(await markRunning(of.app.db, body.taskId));
  return { id: body.taskId, path: `${bulk}/${body.taskId}` };
}

function progress(id: string, succeeded = 10, of: TestApp = app): Promise<Snapshot> {
  return of.app.db.transaction().execute((tx) => countChunk(tx, id, succeeded, 0));
}

async function publishProgress(id: string, succeeded?: number): Promise<void> {
  app.app.bus.publish(await progress(id, succeeded));
}

async function waitingPolls(): Promise<number> {
  const { values } = await app.app.metrics.subscribers.get();
  return values.find(({ labels }) => labels.kind === 'poll')?.value ?? 0;
}

const versionOf = ({ headers }: { headers: Headers }) => Number(present(headers.get('etag')).replaceAll('"', ''));
const withHeaders = (more: Record<string, string>) => ({ headers: { ...app.project.headers, ...more } });

describe('a poll', () => {
  test('is answered with what was published a moment ago, and never goes back', async () => {
    const { id, path } = await startRunning();
    await client.get(path);
    const seen: number[] = [];
    for (let change = 0; change < 9; change += 1) {
      await publishProgress(id);
      seen.push(versionOf(await client.get(path)));
    }
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    await expect.poll(async () => versionOf(await client.get(path))).toBe(11);
  });

  test('finds what the bus lost within a second', async () => {
    const { id, path } = await startRunning();
    expect(versionOf(await client.get(path))).toBe(2);
    await progress(id);
    const committedMs = performance.now();
    await waitFor(async () => versionOf(await client.get(path)) === 3, { message: 'version 3 is told' });
    expect(performance.now() - committedMs).toBeLessThan(1_500);
  });

  test('finds a task right after its start at another gateway', async () => {
    const other = await startTestApp({ role: 'gateway', database: app.database });
    for (let round = 0; round < 5; round += 1) {
      const { body } = await client.post<{ taskId: string }>(client.bulk, { initialValue: 5, count: 100 });
      const path = `${client.bulk}/${body.taskId}`;
      const { status } = await createClient(other).call('GET', path, { headers: app.project.headers });
      expect(status).toBe(200);
    }
  });

  test('of a task that has ended needs no database', async () => {
    const other = await startTestApp({ role: 'gateway' });
    const { id, path } = await startRunning(100, other);
    present(await failTask(other.app.db, id, 'over'));
    const first = await createClient(other).get(path);
    await other.database.drop();
    const second = await createClient(other).get(path);
    expect([second.status, second.text]).toEqual([200, first.text]);
  });

  test('of a task that runs is refused, not answered with what is old, when there is no database', async () => {
    const other = await startTestApp({ role: 'gateway', settings: { BULKCAST_CREDENTIALS_MAX_AGE_MS: '25000' } });
    const { path } = await startRunning(100, other);
    const { get } = createClient(other);
    expect((await get(path)).status).toBe(200);
    await other.database.drop();
    const droppedMs = performance.now();
    await waitFor(async () => (await get(path)).status >= 500, { message: 'it is refused' });
    expect(performance.now() - droppedMs).toBeLessThan(2_000);
  });

  test('is read from the database while Redis is away', async () => {
    const redis = await startRedis();
    const other = await startTestApp({ role: 'gateway', settings: { REDIS_URL: redis.url } });
    const { id, path } = await startRunning(100, other);
    const { get } = createClient(other);
    await waitFor(() => other.app.bus.isUp(), { message: 'the bus is up' });
    expect(versionOf(await get(path))).toBe(2);
    await redis.kill();
    await waitFor(() => !other.app.bus.isUp(), { message: 'the bus is away' });
    for (const version of [3, 4, 5]) {
      await progress(id, 10, other);
      expect(versionOf(await get(path))).toBe(version);
    }
  });

  test('shows nobody else the task that it knows', async () => {
    const { path } = await startRunning();
    await client.get(path);
    const stranger = await app.createProject();
    expect((await client.get(path, { headers: stranger.headers })).status).toBe(403);
    const wrong = { ...app.project.headers, 'x-app-token': 'wrong' };
    expect((await client.get(path, { headers: wrong })).status).toBe(401);
    expect((await client.get(path, { headers: {} })).status).toBe(401);
    const program = path.replace(app.project.programId, '0'.repeat(24));
    expect((await client.get(program)).status).toBe(403);
  });

  test('tells the same headers and body before and after the task is known', async () => {
    const { path } = await startRunning();
    const [first, second] = [await client.get(path), await client.get(path)];
    const namesOf = ({ headers }: { headers: Headers }) => [...headers.keys()].sort();
    expect(namesOf(second)).toEqual(namesOf(first));
    for (const name of ['content-type', 'cache-control', 'etag', 'content-length']) {
      expect([name, second.headers.get(name)]).toEqual([name, first.headers.get(name)]);
    }
    expect(second.text).toBe(first.text);
    expect(second.headers.get('x-request-id')).toMatch(/^v-[0-9a-f]{18}$/);
    expect(second.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
  });

  test('with a body that nobody asked for is answered, and counted', async () => {
    const { path } = await startRunning();
    await client.get(path);
    const { hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    const keys = Object.entries(app.project.headers).map(([name, value]) => `${name}: ${value}`);
    const head = [`GET ${path} HTTP/1.1`, 'Host: x', ...keys];
    socket.write([...head, 'Content-Length: 2', '', '{}'].join('\r\n'));
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200/);
    socket.destroy();
    const { values } = await app.app.metrics.requestSeconds.get();
    expect(values.map(({ labels }) => labels)).toContainEqual(expect.objectContaining({ door: 'poll', status: '200' }));
  });
});

describe('If-None-Match', () => {
  test.each([
    ['the tag', (tag: string) => tag, 304],
    ['a weak tag', (tag: string) => `W/${tag}`, 304],
    ['a list with it', (tag: string) => `"0", W/"1",${tag}`, 304],
    ['anything', () => '*', 304],
    ['another tag', () => '"0"', 200],
    ['no tag at all', () => 'x', 200],
  ])('answers a client that has %s', async (_name, toHeader, status) => {
    const { path } = await startRunning();
    const first = await client.get(path);
    const tag = present(first.headers.get('etag'));
    const again = await client.get(path, withHeaders({ 'if-none-match': toHeader(tag) }));
    expect([again.status, again.text === '', again.headers.get('etag')]).toEqual([status, status === 304, tag]);
    expect(again.headers.get('retry-after')).toBe('1');
    expect(again.headers.get('cache-control')).toBe('private, no-cache');
  });
});

describe('Retry-After', () => {
  test.each([
    [1, 30],
    [50, 10],
    [99, 1],
  ])('is what is left at the rate of late: %d of 100 in ten seconds', async (done, seconds) => {
    const { id, path } = await startRunning();
    await sql`
      update tasks set version = version + 1, processed = ${done}, succeeded = ${done}, rate_items = ${done}, rate_seconds = 10
      where id = ${id}`.execute(app.app.db);
    expect((await client.get(path)).headers.get('retry-after')).toBe(String(seconds));
  });

  test('is the shortest once the task stalls, though nothing has changed', async () => {
    const { id, path } = await startRunning();
    // The rate holds three seconds more.
    await sql`
      update tasks set version = version + 1, processed = 50, succeeded = 50, rate_items = 50, rate_seconds = 10,
        rate_at = clock_timestamp() - interval '27 s'
      where id = ${id}`.execute(app.app.db);
    expect((await client.get(path)).headers.get('retry-after')).toBe('10');
    const isStalled = async () => (await client.get(path)).headers.get('retry-after') === '1';
    await waitFor(isStalled, { message: 'the rate is too old' });
    expect(versionOf(await client.get(path))).toBe(3);
  });
});

describe('Prefer: wait', () => {
  test('holds the answer until the task changes', async () => {
    const { id, path } = await startRunning();
    const poll = client.get<TaskStatus>(path, withHeaders({ prefer: 'respond-async, wait=20' }));
    await waitFor(async () => (await waitingPolls()) === 1, { message: 'the poll waits' });
    await publishProgress(id);
    const { status, body, headers } = await poll;
    expect([status, body.issuedCount, headers.get('etag')]).toEqual([200, 10, '"3"']);
    expect(headers.get('preference-applied')).toBe('wait=20');
    expect(await waitingPolls()).toBe(0);
  });

  test('answers at once what is newer than the client has, and holds what it has', async () => {
    const { id, path } = await startRunning();
    const older = await client.get(path, withHeaders({ prefer: 'wait=20', 'if-none-match': '"1"' }));
    expect([older.status, older.headers.get('etag')]).toEqual([200, '"2"']);
    const poll = client.get(path, withHeaders({ prefer: 'wait=20', 'if-none-match': '"2"' }));
    await waitFor(async () => (await waitingPolls()) === 1, { message: 'the poll waits' });
    await publishProgress(id);
    expect((await poll).headers.get('etag')).toBe('"3"');
  });

  test('answers when the time is up: 304 to whoever has it, else 200', async () => {
    const { path } = await startRunning();
    const startedMs = performance.now();
    const same = await client.get(path, withHeaders({ prefer: 'wait=1', 'if-none-match': '"2"' }));
    expect(performance.now() - startedMs).toBeGreaterThan(990);
    expect([same.status, same.headers.get('preference-applied')]).toEqual([304, 'wait=1']);
    expect((await client.get(path, withHeaders({ prefer: 'wait="1"' }))).status).toBe(200);
  });

  test('is cut to a minute, and left out when it is no number', async () => {
    const { id, path } = await startRunning();
    const nothing = await client.get(path, withHeaders({ prefer: 'wait=soon, handling=lenient' }));
    expect([nothing.status, nothing.headers.get('preference-applied')]).toEqual([200, null]);
    present(await failTask(app.app.db, id, 'over'));
    const { headers } = await client.get(path, withHeaders({ prefer: 'wait=900', 'if-none-match': '"2"' }));
    expect([headers.get('preference-applied'), headers.get('etag')]).toEqual(['wait=60', '"3"']);
    const forever = await client.get(path, withHeaders({ prefer: `wait=${'9'.repeat(400)}` }));
    expect(forever.headers.get('preference-applied')).toBe('wait=60');
  });

  test('does not wait for what has ended', async () => {
    const { id, path } = await startRunning();
    present(await failTask(app.app.db, id, 'over'));
    const startedMs = performance.now();
    const poll = await client.get(path, withHeaders({ prefer: 'wait=20', 'if-none-match': '"3"' }));
    expect([poll.status, performance.now() - startedMs < 5_000]).toEqual([304, true]);
  });

  test('releases what a client that went away has waited for', async () => {
    const { path } = await startRunning();
    const gone = new AbortController();
    const headers = { ...app.project.headers, prefer: 'wait=60' };
    const poll = fetch(`${app.url}${path}`, { headers, signal: gone.signal });
    await waitFor(async () => (await waitingPolls()) === 1, { message: 'the poll waits' });
    gone.abort();
    await expect(poll).rejects.toThrow('abort');
    await waitFor(async () => (await waitingPolls()) === 0, { message: 'nothing waits', timeoutMs: 2_000 });
  });

  test('is answered at once when the gateway stops', async () => {
    const other = await startTestApp({ role: 'gateway' });
    const { path } = await startRunning(100, other);
    const headers = { ...other.project.headers, prefer: 'wait=60' };
    const poll = createClient(other).get(path, { headers });
    const isWaiting = async () => (await other.app.metrics.subscribers.get()).values.some(({ value }) => value === 1);
    await waitFor(isWaiting, { message: 'the poll waits' });
    const startedMs = performance.now();
    await other.stop();
    expect([(await poll).status, performance.now() - startedMs < 2_000]).toEqual([200, true]);
  });

  test('five hundred hold no connection to Postgres, and are all answered at the change', async () => {
    const { id, path } = await startRunning();
    const polls = Array.from({ length: 500 }, () => client.get(path, withHeaders({ prefer: 'wait=30' })));
    await waitFor(async () => (await waitingPolls()) === 500, { message: 'all wait', timeoutMs: 20_000 });
    const { rows } = await sql<{ busy: number }>`
      select count(*)::int as busy from pg_stat_activity
      where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()`.execute(app.app.db);
    expect(rows[0]?.busy).toBeLessThan(3);
    await publishProgress(id);
    expect(new Set((await Promise.all(polls)).map(versionOf))).toEqual(new Set([3]));
  });
});

describe('a start', () => {
  test('tells where to poll', async () => {
    const many = await client.post<{ taskId: string }>(client.bulk, { initialValue: 5, count: 100 });
    expect(many.headers.get('location')).toBe(`${app.url}${client.bulk}/${many.body.taskId}`);
    expect(many.headers.get('operation-location')).toBe(many.headers.get('location'));
    const { body, headers } = await client.post<{ async_action_id: string }>('/v1/vouchers/import', []);
    expect(headers.get('location')).toBe(`${app.url}/v1/async-actions/${body.async_action_id}`);
    expect((await fetch(present(headers.get('location')), { headers: app.project.headers })).status).toBe(200);
  });
});
