import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { EventSource } from 'eventsource';
import { sql } from 'kysely';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { issueToken, issueWatchToken } from '../../src/auth/tokens.ts';
import type { TaskStatus } from '../../src/rest/bulk-issuance/shapes.ts';
import { countChunk, markRunning } from '../../src/tasks/store.ts';
import { secret, startTestApp, type TestApp, type TestProject } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { createClient, present } from './client.ts';

let app: TestApp;

beforeAll(async () => {
  // A gateway alone: the tests play the worker.
  app = await startTestApp({
    role: 'gateway',
    settings: { BULKCAST_POLL_WAIT_MS: '0', BULKCAST_CREDENTIALS_MAX_AGE_MS: '200' },
  });
});

interface Started {
  readonly id: string;
  readonly path: string;
}

async function startIssuance(count = 30, project: TestProject = app.project): Promise<Started> {
  const { post, bulk } = createClient(app, project);
  const { body } = await post<{ taskId: string }>(bulk, { initialValue: 5, count: Math.max(count, 51) });
  await change(await markRunning(app.app.db, body.taskId));
  return { id: body.taskId, path: `${bulk}/${body.taskId}` };
}

async function change(snapshot: Parameters<typeof app.app.bus.publish>[0] | undefined): Promise<void> {
  app.app.bus.publish(present(snapshot));
}

async function progress(id: string, succeeded = 10): Promise<void> {
  await change(await app.app.db.transaction().execute((tx) => countChunk(tx, id, succeeded, 0)));
}

async function watchToken(taskId: string, project: TestProject = app.project, seconds = 600): Promise<string> {
  const owner = { projectId: project.id, kind: 'KEY', name: project.appId } as const;
  return issueWatchToken(secret, owner, taskId, new Date(Date.now() + seconds * 1000));
}

interface Seen {
  readonly source: EventSource;
  readonly events: { readonly id: string; readonly body: TaskStatus }[];
  readonly completed: { count: number };
  readonly statuses: number[];
}

/** The official client; `headers` as another client than a browser can set them. */
function listen(path: string, headers: Readonly<Record<string, string>> = app.project.headers): Seen {
  const statuses: number[] = [];
  const source = new EventSource(`${app.url}${path}`, {
    fetch: async (url, init) => {
      const response = await fetch(url, { ...init, headers: { ...init.headers, ...headers } });
      statuses.push(response.status);
      return response;
    },
  });
  onTestFinished(() => source.close());
  const seen: Seen = { source, events: [], completed: { count: 0 }, statuses };
  source.addEventListener('next', ({ data, lastEventId }) => {
    seen.events.push({ id: lastEventId, body: JSON.parse(data) });
  });
  source.addEventListener('complete', () => {
    seen.completed.count += 1;
  });
  return seen;
}

async function untilId({ events }: Seen, id: number): Promise<void> {
  await waitFor(() => events.at(-1)?.id === String(id), { message: `event ${id} comes` });
}

/** Raw server-sent events until `isEnough`. */
async function readRaw(path: string, isEnough: (text: string) => boolean, headers: readonly string[] = []) {
  const { hostname, port } = new URL(app.url);
  const socket: Socket = connect(Number(port), hostname);
  onTestFinished(() => {
    socket.destroy();
  });
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes;
  });
  const keys = Object.entries(app.project.headers).map(([name, value]) => `${name}: ${value}`);
  socket.write([`GET ${path} HTTP/1.1`, 'Host: x', ...keys, ...headers, '', ''].join('\r\n'));
  await waitFor(() => isEnough(text), { message: () => `enough comes: ${text}` });
  return text;
}

describe('the events of an issuance', () => {
  test('are the polls of its versions, end with the final one, and an EventSource then stays away', async () => {
    const { id, path } = await startIssuance(60);
    const seen = listen(`${path}/events`);
    await untilId(seen, 2);
    await progress(id, 25);
    await untilId(seen, 3);
    const client = createClient(app);
    expect(seen.events.at(-1)?.body).toEqual((await client.get(path)).body);
    await progress(id, 35);
    await untilId(seen, 4);
    expect(seen.events.at(-1)?.body).toEqual((await client.get(path)).body);
    expect(seen.events.at(-1)?.body.status).toBe('completed');
    await waitFor(() => seen.source.readyState === EventSource.CLOSED, { message: 'it stays away' });
    expect([seen.completed.count, seen.statuses]).toEqual([1, [200, 204]]);
    const ids = seen.events.map((event) => Number(event.id));
    expect(ids).toEqual([2, 3, 4]);
  });

  test('resume after the last id, by header or parameter, and say where', async () => {
    const { id, path } = await startIssuance(60);
    await progress(id);
    const hasNext = (text: string) => text.includes('event: next');
    const byHeader = readRaw(`${path}/events`, hasNext, ['Last-Event-ID: 3']);
    const byParameter = readRaw(`${path}/events?last_event_id=3`, hasNext);
    await waitFor(async () => (await subscribers()) === 2, { message: 'both watch' });
    await progress(id);
    for (const text of await Promise.all([byHeader, byParameter])) {
      expect(text).toMatch(/\r\nx-resumed-after: 3\r\n/);
      expect(text).toMatch(/\r\ncontent-type: text\/event-stream\r\n/);
      expect(text).toMatch(/\nretry: \d{4}\n/);
      expect(text.match(/^id: .*/gm)).toEqual(['id: 4']);
    }
  });

  test('are 204 after the final one, and the final one to whoever was away', async () => {
    const { id, path } = await startIssuance(60);
    await progress(id, 60);
    const comeBack = (version: string) =>
      fetch(`${app.url}${path}/events`, { headers: { ...app.project.headers, 'last-event-id': version } });
    expect((await comeBack('3')).status).toBe(204);
    const text = await (await comeBack('2')).text();
    expect(text).toContain('event: next\nid: 3\ndata: {');
    expect(text.endsWith('event: complete\ndata:\n\n')).toBe(true);
  });

  test('begin with a comment that has no id, for clients that wait for a byte', async () => {
    const { path } = await startIssuance();
    const text = await readRaw(`${path}/events`, (got) => got.includes('data: '));
    const [, body = ''] = text.split('\r\n\r\n');
    expect(body).toMatch(/^[0-9a-f]+\r\n:\n\n\r\n/);
  });
});

async function subscribers(): Promise<number> {
  const { values } = await app.app.metrics.subscribers.get();
  return values.find(({ labels }) => labels.kind === 'task')?.value ?? 0;
}

describe('the events of an async action', () => {
  test('have the body of its poll', async () => {
    const client = createClient(app);
    const vouchers = [{ code: 'EVENTS', gift: { amount: 1 } }];
    const { body } = await client.post<{ async_action_id: string }>('/v1/vouchers/import', vouchers);
    const path = `/v1/async-actions/${body.async_action_id}`;
    const seen = listen(`${path}/events`);
    await untilId(seen, 1);
    await change(await markRunning(app.app.db, body.async_action_id));
    await untilId(seen, 2);
    expect(seen.events.at(-1)?.body).toEqual((await client.get(path)).body);
    const { headers, status } = await fetch(`${app.url}${path}/events`, { headers: app.project.headers });
    expect([status, headers.get('x-rate-limit-limit')]).toEqual([200, '600000']);
  });
});

describe('who may listen', () => {
  test('a watch token as a parameter, shown what it is shown in a poll, and nothing of it is logged', async () => {
    const { id, path } = await startIssuance(60);
    const token = await watchToken(id);
    const seen = listen(`${path}/events?access_token=${token}`, {});
    await untilId(seen, 2);
    await progress(id, 60);
    await untilId(seen, 3);
    expect(seen.events.at(-1)?.body).toMatchObject({ status: 'completed', cards: null, csvDownloadUrl: null });
    expect(JSON.stringify(app.logs)).not.toContain(token);
  });

  test('no other token as a parameter, and no parameter at the poll', async () => {
    const { id, path } = await startIssuance();
    const merchant = await issueToken(secret, { projectId: app.project.id, username: app.project.username }, 60);
    const statusOf = async (at: string) => (await fetch(`${app.url}${at}`)).status;
    expect(await statusOf(`${path}/events?access_token=${merchant}`)).toBe(401);
    expect(await statusOf(`${path}/events?access_token=nonsense`)).toBe(401);
    expect(await statusOf(`${path}/events`)).toBe(401);
    expect(await statusOf(`${path}?access_token=${await watchToken(id)}`)).toBe(401);
  });

  test('nobody another one’s task', async () => {
    const { id, path } = await startIssuance();
    const stranger = await app.createProject();
    expect((await fetch(`${app.url}${path}/events`, { headers: stranger.headers })).status).toBe(403);
    const other = await startIssuance();
    expect((await fetch(`${app.url}${path}/events?access_token=${await watchToken(other.id)}`)).status).toBe(404);
    expect((await fetch(`${app.url}/v1/async-actions/${id}/events`, { headers: app.project.headers })).status).toBe(
      404,
    );
  });

  test('not for longer than the credentials stand', async () => {
    const project = await app.createProject();
    const { path } = await startIssuance(30, project);
    const seen = listen(`${path}/events`, project.headers);
    await untilId(seen, 2);
    await sql`update api_keys set revoked_at = now() where app_id = ${project.appId}`.execute(app.app.db);
    await waitFor(() => seen.source.readyState === EventSource.CLOSED, { message: 'it is refused' });
    expect(seen.statuses).toEqual([200, 401]);
  });
});

test('a reader that stops reading holds one event, and the others notice nothing', async () => {
  const { id, path } = await startIssuance(10_000);
  const { hostname, port } = new URL(app.url);
  const slow = connect(Number(port), hostname);
  onTestFinished(() => {
    slow.destroy();
  });
  const keys = Object.entries(app.project.headers).map(([name, value]) => `${name}: ${value}`);
  slow.write([`GET ${path}/events HTTP/1.1`, 'Host: x', ...keys, '', ''].join('\r\n'));
  await once(slow, 'data');
  slow.pause();
  const seen = listen(`${path}/events`);
  await untilId(seen, 2);
  for (let version = 3; version <= 12; version += 1) {
    await progress(id);
    await untilId(seen, version);
  }
  expect(seen.events.map((event) => event.id)).toEqual(['2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12']);
});
