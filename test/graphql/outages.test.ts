import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { startTestApp } from '../support/gateway.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { ask, codes, overWebSocket, readAll, type ShownError } from './client.ts';

const endpoint = 'webhookEndpoint(id: "00000000-0000-4000-8000-000000000000") { id }';
const twoReads = `{ a: ${endpoint} b: ${endpoint} }`;

/** A gateway whose database can be taken away and given back. */
async function startBehindProxy() {
  const database = await createDatabase();
  const url = new URL(database.url);
  const port = Number(url.port);
  const proxy = await startTcpProxy(port);
  url.port = String(proxy.port);
  const app = await startTestApp({ role: 'gateway', database: { ...database, url: url.href } });
  onTestFinished(() => proxy.redirect(port));
  return { app, takeAway: () => proxy.redirect(1), giveBack: () => proxy.redirect(port) };
}

test('an answer that is UNAVAILABLE is logged with its cause, once a request, over every transport', async () => {
  const { app, takeAway, giveBack } = await startBehindProxy();
  const logged = () => app.logs.filter(({ event }) => event === 'request.unavailable');
  const fields = (requestId: unknown) => ({
    request: requestId,
    route: '/graphql',
    error: expect.objectContaining({ message: expect.stringMatching(/terminated|ECONN/) }),
  });
  const socket = overWebSocket(app);
  onTestFinished(() => socket.dispose());
  // Who asks is known from then on.
  await readAll(socket.subscribe(twoReads));
  expect((await ask(app, twoReads)).status).toBe(200);
  takeAway();

  const overHttp = await ask(app, twoReads);
  expect(codes(overHttp)).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
  const requestId = overHttp.headers.get('x-request-id');
  expect(logged()).toEqual([{ level: 'warn', event: 'request.unavailable', fields: fields(requestId) }]);

  const told = await socket.subscribe(twoReads).next();
  const errors: readonly ShownError[] = told.value.errors;
  expect(errors.map(({ extensions }) => extensions.code)).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
  expect(
    logged()
      .slice(1)
      .map((line) => line.fields),
  ).toEqual([fields(errors[0]?.extensions.requestId)]);

  const stranger = await ask(app, '{ __typename }', {}, { 'x-app-id': 'unknown', 'x-app-token': 'unknown' });
  expect([stranger.status, codes(stranger)]).toEqual([503, ['UNAVAILABLE']]);
  const strangers = stranger.errors?.[0]?.extensions.requestId;
  expect(
    logged()
      .slice(2)
      .map((line) => line.fields),
  ).toEqual([fields(strangers)]);
  expect(JSON.stringify(logged())).not.toContain(app.project.appToken);
  giveBack();
});
