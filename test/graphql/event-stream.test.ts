import { beforeAll, expect, it } from 'vitest';
import { findTask } from '../../src/tasks/store.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { issueCards } from './client.ts';

const one =
  'subscription ($id: ID!, $afterVersion: Int) { bulkTask(id: $id, afterVersion: $afterVersion) { ... on TaskProgress { version } } }';
const many = 'subscription { bulkTasks { ... on TaskProgress { id version } } }';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
});

interface Streaming {
  readonly headers?: Readonly<Record<string, string>>;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly afterVersion?: number;
}

async function get(query: string, id: string, { headers = {}, parameters = {}, afterVersion }: Streaming = {}) {
  const variables = JSON.stringify({ id, afterVersion });
  const url = `${app.url}/graphql?${new URLSearchParams({ query, variables, ...parameters })}`;
  return fetch(url, { headers: { ...app.project.headers, accept: 'text/event-stream', ...headers } });
}

/** A task whose end is pushed as soon as somebody has read it, but not stored. */
async function startTask(): Promise<{ id: string; version: number; end: () => void }> {
  const id = await issueCards(app, 1);
  const task = await findTask(app.app.db, app.project.id, id);
  if (task === undefined) throw new Error('the task is gone');
  const { version, createdAt } = task;
  const end = () =>
    app.app.bus.publish({ ...task, version: 9, state: 'FAILED', startedAt: createdAt, completedAt: createdAt });
  return { id, version, end };
}

/** Reads events until the stream ends, the comment that opens it but no heartbeat; `seen` is called for each. */
async function read(response: Response, seen: (event: string) => void = () => undefined): Promise<string[]> {
  const events: string[] = [];
  let text = '';
  for await (const chunk of response.body ?? []) {
    const parts = `${text}${Buffer.from(chunk).toString()}`.split('\n\n');
    text = parts.pop() ?? '';
    for (const event of parts) {
      if (event === ':' && events.length > 0) continue;
      events.push(event);
      seen(event);
    }
  }
  return events;
}

/** As `read`, with the end pushed again and again: the first may be too early, for a stream that opens before it listens. */
async function readToEnd(response: Response, end: () => void): Promise<string[]> {
  const pushing = setInterval(end, 20);
  try {
    return await read(response);
  } finally {
    clearInterval(pushing);
  }
}

it('has the version as the id of each snapshot, and no other id', async () => {
  const { id, version, end } = await startTask();
  const response = await get(one, id);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  expect(response.headers.get('x-request-id')).toMatch(/^v-/);
  expect(response.headers.get('x-accel-buffering')).toBe('no');
  expect(response.headers.get('x-resumed-after')).toBeNull();
  const events = await read(response, (event) => event.startsWith('id') && end());
  expect(events).toStrictEqual([
    ':',
    `id: ${version}\nevent: next\ndata: {"data":{"bulkTask":{"version":${version}}}}`,
    'id: 9\nevent: next\ndata: {"data":{"bulkTask":{"version":9}}}',
    'event: complete\ndata:',
  ]);
});

it.each([
  ['the header', { headers: { 'last-event-id': '1' } }],
  ['last_event_id', { parameters: { last_event_id: '1' } }],
  ['lastEventId', { parameters: { lastEventId: '1' } }],
  ['the latest of several', { headers: { 'last-event-id': '1' }, parameters: { lastEventId: '0' }, afterVersion: 0 }],
] as const)('goes on after the event of %s', async (_name, streaming) => {
  const { id, version, end } = await startTask();
  expect(version).toBe(1);
  const response = await get(one, id, streaming);
  expect(response.headers.get('x-resumed-after')).toBe('1');
  const events = await readToEnd(response, end);
  expect(events).toStrictEqual([
    ':',
    'id: 9\nevent: next\ndata: {"data":{"bulkTask":{"version":9}}}',
    'event: complete\ndata:',
  ]);
});

it('begins anew after an id that is none of ours', async () => {
  const { id, end } = await startTask();
  for (const lastEventId of ['', 'nonsense', '-1', '1.5', '9'.repeat(30)]) {
    const response = await get(one, id, { headers: { 'last-event-id': lastEventId } });
    expect(response.headers.get('x-resumed-after')).toBeNull();
    if (lastEventId.length === 30) expect(await readToEnd(response, end)).toContain('event: complete\ndata:');
    else await response.body?.cancel();
  }
});

it('has no ids where nothing can be resumed', async () => {
  const response = await get(many, '', { headers: { 'last-event-id': '1' } });
  expect(response.headers.get('x-resumed-after')).toBeNull();
  const abort = new Error('enough');
  const reading = read(response, (event) => {
    if (event === ':') return;
    expect(event).toMatch(/^event: next\ndata: \{"data":\{"bulkTasks":\{"id":"[^"]+","version":1\}\}\}$/);
    throw abort;
  });
  const starting = setInterval(() => void issueCards(app, 1), 50);
  await expect(reading).rejects.toBe(abort);
  clearInterval(starting);
});

it('tells what is wrong as an event, and completes', async () => {
  const events = await read(await get(one, 'aa_0123456789abcdef01'));
  expect(events.filter((event) => event !== ':')).toStrictEqual([
    expect.stringMatching(/^event: next\ndata: \{"errors":\[.*"code":"NOT_FOUND"/),
    'event: complete\ndata:',
  ]);
  const invalid = await read(await get('subscription { nothing }', ''));
  expect(invalid.join()).toContain('GRAPHQL_VALIDATION_FAILED');
  const stranger = await get(one, 'aa_0123456789abcdef01', { headers: { accept: 'application/json' } });
  expect(stranger.status).toBe(406);
});
