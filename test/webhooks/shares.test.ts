import { expect, test } from 'vitest';
import type { TestApp } from '../support/gateway.ts';
import { startTestApp } from '../support/gateway.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { waitFor } from '../support/wait.ts';
import { change, createEndpoint, readEndpoint } from './client.ts';

const all = await startTestApp({ settings: { BULKCAST_WEBHOOK_NETWORKS: '127.0.0.0/8' } });

interface SlowEndpoint {
  readonly id: string;
  /** Requests that are open now, and the most there have been. */
  open: number;
  most: number;
}

/** Endpoints that answer nothing until they are let go; then with 200, at once. */
async function createSlow(app: TestApp, count: number) {
  const held: (() => void)[] = [];
  let isSlow = true;
  const endpoints: SlowEndpoint[] = [];
  for (let made = 0; made < count; made += 1) {
    const receiver = await startReceiver();
    const { id } = await createEndpoint(app, receiver.url, undefined, app.project.headers);
    const endpoint = { id, open: 0, most: 0 };
    receiver.answer((response) => {
      endpoint.open += 1;
      endpoint.most = Math.max(endpoint.most, endpoint.open);
      const end = () => {
        endpoint.open -= 1;
        response.writeHead(200).end();
      };
      if (isSlow) held.push(end);
      else end();
    });
    endpoints.push(endpoint);
  }
  const letGo = () => {
    isSlow = false;
    for (const end of held.splice(0)) end();
  };
  return { endpoints, letGo, open: () => endpoints.reduce((sum, { open }) => sum + open, 0) };
}

test('a project takes a quarter of a worker, whatever its endpoints are, and what waits for that has not failed', async () => {
  const busy: TestApp = { ...all, project: await all.createProject() };
  const slow = await createSlow(busy, 16);
  for (const { id } of slow.endpoints) {
    for (let count = 0; count < 3; count += 1) await change(busy, 'testWebhookEndpoint', id);
  }
  await waitFor(() => slow.open() >= 8, { message: 'a quarter of the deliveries is in hand' });

  const other: TestApp = { ...all, project: await all.createProject() };
  const quick: Receiver = await startReceiver();
  const { id } = await createEndpoint(other, quick.url);
  // Those of the busy project have been asked for before.
  for (let count = 1; count <= 5; count += 1) {
    await change(other, 'testWebhookEndpoint', id);
    await quick.waitFor(count);
  }
  expect(slow.open()).toBe(8);
  expect(slow.endpoints.every(({ most }) => most <= 2)).toBe(true);

  slow.letGo();
  for (const endpoint of slow.endpoints) {
    const isThrough = async () =>
      (await readEndpoint(busy, endpoint.id))?.deliveries.nodes.every(({ state }) => state === 'SUCCEEDED') ?? false;
    await waitFor(isThrough, { message: 'all of the busy project arrive', timeoutMs: 20_000 });
    const { failures, deliveries } = (await readEndpoint(busy, endpoint.id)) ?? {};
    expect([failures, deliveries?.nodes.map(({ attempts }) => attempts.length)]).toEqual([0, [1, 1, 1]]);
  }
});
