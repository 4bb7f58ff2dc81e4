import { once } from 'node:events';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { issueCards, overWebSocket, readAll } from './client.ts';
import { openDoor } from './door.ts';

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

  it('that sends what only a server sends is closed with 4400, however often it does', async () => {
    const socket = await open();
    const closed = once(socket, 'close');
    for (let count = 0; count < 5_000; count += 1) socket.send('{"type":"next","id":"1","payload":{"data":null}}');
    expect((await closed)[0]).toBe(4400);
    expect(app.logs.filter(({ event }) => event === 'websocket.failed')).toEqual([]);
  });

  it('that uses the id of an operation again is closed with 4409, and nothing of it stays', async () => {
    const id = await issueCards(app, 1);
    const query = 'subscription ($id: ID!) { bulkTask(id: $id) { __typename } }';
    const subscribe = JSON.stringify({ type: 'subscribe', id: '1', payload: { query, variables: { id } } });
    const messages = [
      [subscribe, subscribe],
      [subscribe, '{"type":"complete","id":"1"}', subscribe],
    ];
    for (const batch of messages) {
      const socket = await open();
      const closed = once(socket, 'close');
      for (const message of batch) socket.send(message);
      expect((await closed)[0]).toBe(4409);
    }
    const isForgotten = async () => {
      const { values } = await app.app.metrics.subscribers.get();
      return values.every(({ value }) => value === 0);
    };
    await waitFor(isForgotten, { message: 'nothing is subscribed' });
  });

  it('may use the id of an operation again once that has ended', async () => {
    const id = await issueCards(app, 1);
    const query = 'subscription ($id: ID!) { bulkTask(id: $id) { __typename } }';
    const socket = await open();
    for (let count = 0; count < 3; count += 1) {
      socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query, variables: { id } } }));
      expect(String(await once(socket, 'message'))).toContain('"type":"next"');
      socket.send('{"type":"complete","id":"1"}');
      socket.send('{"type":"ping"}');
      expect(String(await once(socket, 'message'))).toContain('"type":"pong"');
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
    const { wsUrl: url, stop } = await openDoor(app);
    const socket = new WebSocket(url, 'graphql-transport-ws');
    await once(socket, 'open');
    const closed = once(socket, 'close');
    await Promise.all([stop(), stop()]);
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
