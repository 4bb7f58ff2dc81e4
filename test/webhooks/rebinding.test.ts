import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { atEndOfFile } from '../support/at-end.ts';
import { startTestApp } from '../support/gateway.ts';
import { startNameServer } from '../support/name-server.ts';
import { waitFor } from '../support/wait.ts';
import { change, createEndpoint, deliveryOf } from './client.ts';

/** May be connected to, as a public address may: so that nothing of the test leaves the machine. */
const allowed = '127.0.0.2';
const forbidden = '127.0.0.1';

/** Two servers on one port: one that takes webhooks where they may go, and one that only counts who connects. */
async function startBoth() {
  let connections = 0;
  const inner = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => inner.listen(0, forbidden, resolve));
  const { port } = inner.address() as AddressInfo;
  const hosts: (string | undefined)[] = [];
  const outer = createHttpServer((request, response) => {
    hosts.push(request.headers.host);
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => outer.listen(port, allowed, resolve));
  atEndOfFile(async () => {
    outer.closeAllConnections();
    outer.close();
    inner.close();
  });
  return { port, hosts, connections: () => connections };
}

test('a name that means loopback by the time of the connection leads only to the address that was checked', async () => {
  const app = await startTestApp({ settings: { BULKCAST_WEBHOOK_NETWORKS: `${allowed}/32` } });
  const { port, hosts, connections } = await startBoth();
  const names = await startNameServer((name, nth) => {
    if (name === 'both.test') return [allowed, forbidden];
    return [nth === 1 ? allowed : forbidden];
  });
  const { id } = await createEndpoint(app, `http://rebound.test:${port}/hooks`);
  await change(app, 'testWebhookEndpoint', id);
  const sent = await deliveryOf(app, id, ({ attempts }) => attempts.length === 1);
  expect(sent).toMatchObject({ state: 'SUCCEEDED', attempts: [{ status: 204, error: null }] });
  expect([hosts, connections(), names.asked('rebound.test')]).toEqual([[`rebound.test:${port}`], 0, 1]);

  // The next message is checked anew, and finds what the name means by now.
  await change(app, 'testWebhookEndpoint', id);
  await waitFor(() => names.asked('rebound.test') >= 2, { message: 'the name is resolved for every attempt' });
  const refused = await deliveryOf(app, id, ({ attempts }) => attempts.length >= 1 && attempts[0]?.error !== null);
  expect(refused.attempts[0]).toMatchObject({ status: null, error: 'ADDRESS_REFUSED' });

  const { id: mixed } = await createEndpoint(app, `http://both.test:${port}/hooks`);
  await change(app, 'testWebhookEndpoint', mixed);
  const neither = await deliveryOf(app, mixed, ({ attempts }) => attempts.length >= 1);
  expect(neither.attempts[0]).toMatchObject({ status: null, error: 'ADDRESS_REFUSED' });
  expect([hosts.length, connections()]).toEqual([1, 0]);
});
