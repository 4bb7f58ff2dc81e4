import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { findTask } from '../../src/tasks/store.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { ask, issueCards, overSse, overWebSocket, readAll, succeeded } from './client.ts';
import { openDoor } from './door.ts';
import { openRawSocket, type RawSocket } from './raw-socket.ts';

const withLink = `subscription ($id: ID!, $afterVersion: Int) { bulkTask(id: $id, afterVersion: $afterVersion) {
  ... on BulkIssuanceTask { id version state csvDownloadUrl }
} }`;

/** Without a worker: the tests publish what a worker would. */
let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
});

async function readTask(id: string): Promise<Snapshot> {
  const task = await findTask(app.app.db, app.project.id, id);
  if (task === undefined) throw new Error('the task is gone');
  return task;
}

/** The task at its end, which no database has seen. */
function endOf(task: Snapshot): Snapshot {
  const { createdAt, total } = task;
  const moments = { startedAt: createdAt, completedAt: createdAt };
  return { ...task, ...moments, version: 9, state: 'SUCCEEDED', processed: total, succeeded: total };
}

function results({ messages }: RawSocket): unknown[] {
  return messages.filter(({ type }) => type === 'next').map(({ payload }) => payload.data?.bulkTask);
}

describe('what is pushed to many', () => {
  it('is executed once for one document, its variables and one caller, whatever the transport and version', async () => {
    const door = await openDoor(app);
    const task = await readTask(await issueCards(app, 1));
    const { id } = task;
    const sockets = await Promise.all([1, 2].map(() => openRawSocket(door.wsUrl, app.project.headers)));
    for (const socket of sockets) {
      for (const name of ['a', 'bb', 'cc', 'ÿ "✓"']) socket.subscribe(name, withLink, { id });
      socket.subscribe('resumed', withLink, { id, afterVersion: task.version });
    }
    const sse = overSse({ ...app, url: door.url });
    onTestFinished(sse.dispose);
    const streamed = readAll(sse.subscribe(withLink, { id }));
    const isWaiting = () => sockets.every(({ messages }) => messages.length === 4);
    await waitFor(isWaiting, { message: 'all have the snapshot' });
    await waitFor(async () => (await subscribers()) === 11, { message: 'all have joined' });
    app.app.bus.publish(endOf(task));
    const isOver = ({ messages }: RawSocket) => messages.filter(({ type }) => type === 'complete').length === 5;
    await waitFor(() => sockets.every(isOver), { message: 'all are complete' });
    expect(door.signed).toBe(1);
    const [first] = (await streamed).slice(-1) as { bulkTask: object }[];
    expect(first?.bulkTask).toMatchObject({ id, version: 9, state: 'SUCCEEDED', csvDownloadUrl: expect.any(String) });
    for (const socket of sockets) {
      expect(results(socket).slice(-5)).toStrictEqual(Array.from({ length: 5 }, () => first?.bulkTask));
      const ids = socket.messages.filter(({ type }) => type === 'complete').map((message) => message.id);
      expect(ids.sort()).toStrictEqual(['a', 'bb', 'cc', 'resumed', 'ÿ "✓"']);
    }
  });

  it('is executed for each caller', async () => {
    const door = await openDoor(app);
    const task = await readTask(await issueCards(app, 1));
    const callers = [app.project.headers, { authorization: await app.project.bearer() }];
    const sockets = await Promise.all(callers.map((headers) => openRawSocket(door.wsUrl, headers)));
    for (const socket of sockets) socket.subscribe('1', withLink, { id: task.id });
    await waitFor(() => sockets.every(({ messages }) => messages.length === 1), { message: 'both have the snapshot' });
    app.app.bus.publish(endOf(task));
    await waitFor(() => sockets.every(({ messages }) => messages.length === 3), { message: 'both have the end' });
    expect(door.signed).toBe(2);
  });

  it('names the request of each in its errors', async () => {
    const id = await issueCards(app, 1);
    const query = `subscription ($id: ID!) { bulkTask(id: $id) { ... on BulkIssuanceTask { id cards(after: "none") { nodes { id } } } } }`;
    const socket = await openRawSocket(app.wsUrl, app.project.headers);
    for (const name of ['1', '2']) socket.subscribe(name, query, { id });
    await waitFor(() => socket.messages.length === 2, { message: 'both have the snapshot' });
    const errors = socket.messages.map(({ payload }) => payload.errors?.[0]);
    expect(errors).toMatchObject([
      { path: ['bulkTask', 'cards'], extensions: { code: 'BAD_USER_INPUT' } },
      { path: ['bulkTask', 'cards'], extensions: { code: 'BAD_USER_INPUT' } },
    ]);
    expect(new Set(errors.map((error) => JSON.stringify(error?.extensions))).size).toBe(2);
  });

  it('says where in the document an error is that comes before the first result', async () => {
    const query = 'subscription { mine: bulkTask(id: "aa_0123456789abcdef01") { __typename } }';
    const socket = await openRawSocket(app.wsUrl, app.project.headers);
    socket.subscribe('1', query);
    await waitFor(() => socket.messages.length === 2, { message: 'it is refused' });
    expect(socket.messages).toMatchObject([
      { type: 'next', payload: { errors: [{ path: ['mine'], extensions: { code: 'NOT_FOUND' } }] } },
      { type: 'complete', id: '1' },
    ]);
  });

  it('may be long', async () => {
    const id = await issueCards(app, 1);
    const fields = Array.from({ length: 600 }, (_, index) => `${'field'.repeat(12)}${index}: id`).join(' ');
    for (const selection of ['id', fields.slice(0, 4_000).replace(/ \S*$/, ''), fields]) {
      const query = `subscription ($id: ID!) { bulkTask(id: $id) { ... on BulkIssuanceTask { ${selection} } } }`;
      const [pushed] = [overWebSocket(app).subscribe(query, { id })];
      const { value } = await pushed.next();
      const { data } = await ask<object>(app, query.replace('subscription', 'query'), { id });
      expect(value.data).toStrictEqual(data);
      await pushed.return?.();
    }
  });
});

describe('one version', () => {
  it('has the same content on a poll, a query, a WebSocket and server-sent events', async () => {
    await startTestApp({ database: app.database });
    const id = await issueCards(app, 60);
    await succeeded(app, id);
    const selection = `... on BulkIssuanceTask { taskId status issuedCount failedCount error completedAt version
      state progress counts { total processed succeeded failed } createdAt startedAt updatedAt cards(first: 100) { nodes { id } } }`;
    const { data } = await ask<{ bulkTask: Record<string, unknown> }>(
      app,
      `query ($id: ID!) { bulkTask(id: $id) { ${selection} } }`,
      { id },
    );
    const pushing = `subscription ($id: ID!) { bulkTask(id: $id) { ${selection} } }`;
    for (const subscribing of [overWebSocket(app), overSse(app)]) {
      expect(await readAll(subscribing.subscribe(pushing, { id }))).toStrictEqual([data]);
      await subscribing.dispose();
    }
    const { programId, headers } = { ...app.project, headers: { authorization: await app.project.bearer() } };
    const poll = await fetch(`${app.url}/v2/giftcards/programs/${programId}/cards/bulk/${id}`, { headers });
    const { cards, csvDownloadUrl, ...body } = await poll.json();
    const { status, version } = data.bulkTask;
    expect(poll.headers.get('etag')).toBe(`"${version}"`);
    expect(data.bulkTask).toMatchObject({ ...body, status: body.status.toUpperCase() });
    expect(status).toBe('COMPLETED');
    const idsOf = (list: { id: string }[]) => list.map((card) => card.id);
    expect(data.bulkTask.cards).toStrictEqual({ nodes: idsOf(cards).map((card) => ({ id: card })) });
  });
});

async function subscribers(): Promise<number> {
  const { values } = await app.app.metrics.subscribers.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}
