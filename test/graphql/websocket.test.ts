import { once } from 'node:events';
import { fastify } from 'fastify';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { openAuth } from '../../src/auth/auth.ts';
import { createSignedLinks } from '../../src/auth/links.ts';
import { registerGraphql } from '../../src/graphql/server.ts';
import { openFeeds } from '../../src/progress/feeds.ts';
import { createTaskReader } from '../../src/progress/task-reader.ts';
import { createUploadReader } from '../../src/uploads.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { issueCards, overWebSocket, readAll } from './client.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
});

describe('a WebSocket', () => {
  it('of another subprotocol is closed with 4406', async () => {
    for (const protocols of [[], ['graphql-ws']]) {
      const socket = new WebSocket(app.wsUrl, protocols);
      expect((await once(socket, 'close'))[0]).toBe(4406);
    }
  });

  it('with a message over 1 MiB is closed with 1009', async () => {
    const socket = await open();
    socket.send('x'.repeat(1_048_577));
    expect((await once(socket, 'close'))[0]).toBe(1009);
  });

  it('with a message that is none is closed with 4400', async () => {
    for (const message of ['nonsense', '{"type":"nonsense"}', '[]', '5']) {
      const socket = await open();
      socket.send(message);
      expect((await once(socket, 'close'))[0]).toBe(4400);
    }
  });

  it('runs at most 1,000 operations at a time', async () => {
    const socket = await open();
    const id = await issueCards(app, 1);
    const refused: string[] = [];
    let begun = 0;
    const all = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        const { type, id: operation } = JSON.parse(String(data));
        if (type === 'error') refused.push(operation);
        if (type === 'next') begun += 1;
        if (begun + refused.length === 1_002) resolve();
      });
    });
    const query = 'subscription ($id: ID!) { bulkTask(id: $id) { __typename } }';
    for (let index = 1; index <= 1_002; index += 1) {
      socket.send(JSON.stringify({ type: 'subscribe', id: String(index), payload: { query, variables: { id } } }));
    }
    await all;
    expect(refused).toEqual(['1001', '1002']);
    socket.close();
  });

  it('on another path is 404', async () => {
    const socket = new WebSocket(app.wsUrl.replace('/graphql', '/elsewhere'), 'graphql-transport-ws');
    const [error] = await once(socket, 'error');
    expect(String(error)).toContain('404');
  });

  it('that does not say who it is within three seconds is closed with 4408', async () => {
    const socket = new WebSocket(app.wsUrl, 'graphql-transport-ws');
    expect((await once(socket, 'close'))[0]).toBe(4408);
  });
});

describe('queries and mutations over a WebSocket', () => {
  it('run as they do over HTTP', async () => {
    const { subscribe, dispose } = overWebSocket(app);
    onTestFinished(() => dispose());
    const input = { programId: app.project.programId, initialValue: 5, count: 0 };
    const start = `mutation ($input: IssueGiftCardsInput!) { issueGiftCards(input: $input) { task { id } userErrors { field } } }`;
    expect(await readAll(subscribe(start, { input }))).toEqual([
      { issueGiftCards: { task: null, userErrors: [{ field: ['input', 'count'] }] } },
    ]);
    expect(await readAll(subscribe('{ bulkTask(id: "none") { __typename } }'))).toEqual([{ bulkTask: null }]);
  });
});

describe('a door that is stopped', () => {
  it('closes its sockets with 1012 and answers new ones with 503; stopping twice is fine', async () => {
    const { config, db, log } = app.app;
    const server = fastify();
    onTestFinished(() => server.close());
    const feeds = openFeeds(app.app);
    const secret = 'a secret of this test alone';
    const auth = openAuth({ db, log, secret, maxAgeMs: config.BULKCAST_CREDENTIALS_MAX_AGE_MS });
    onTestFinished(() => auth.stop());
    const door = await registerGraphql(server, {
      ...app.app,
      feeds,
      reader: createTaskReader(db),
      auth,
      links: createSignedLinks({ secret, seconds: 60, publicUrl: () => '' }),
      uploads: createUploadReader({ maxUploads: 1, stallMs: config.BULKCAST_UPLOAD_STALL_MS }),
    });
    const url = `${(await server.listen()).replace('http', 'ws')}/graphql`;
    const socket = new WebSocket(url, 'graphql-transport-ws');
    await once(socket, 'open');
    const closed = once(socket, 'close');
    await Promise.all([door.stop(), door.stop(), feeds.stop()]);
    expect((await closed)[0]).toBe(1012);
    const [error] = await once(new WebSocket(url, 'graphql-transport-ws'), 'error');
    expect(String(error)).toContain('503');
  });
});

async function open(): Promise<WebSocket> {
  const socket = new WebSocket(app.wsUrl, 'graphql-transport-ws');
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: app.project.headers }));
  await once(socket, 'message');
  return socket;
}
