import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { giveUpChunk } from '../../src/tasks/run.ts';
import { pruneDeliveries } from '../../src/webhooks/deliveries.ts';
import { ask, importVouchers, issueCards, succeeded } from '../graphql/client.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { startReceiver, verify } from '../support/receiver.ts';
import { allEvents, change, createEndpoint, deliveryOf, finalEvents, readEndpoint } from './client.ts';

const all = await startTestApp({ settings: { BULKCAST_WEBHOOK_NETWORKS: '127.0.0.0/8' } });

/** The app with a project of its own. */
async function newShop(): Promise<TestApp> {
  return { ...all, project: await all.createProject() };
}

const taskQuery = `query ($id: ID!) { bulkTask(id: $id) {
  __typename
  ... on TaskProgress {
    id kind dryRun priority state version progress counts { total processed succeeded failed } ratePerSecond
    createdAt startedAt updatedAt completedAt estimatedCompletionAt changedBy changeReason
  }
  ... on BulkIssuanceTask { taskId programId issuanceStatus: status issuedCount failedCount error }
  ... on AsyncAction { type actionStatus: status operationStatus requestId processingTime }
} }`;

/** A task as a query tells it, its status under one name. */
async function queryTask(app: TestApp, id: string): Promise<Record<string, unknown>> {
  const { data } = await ask<{ bulkTask: Record<string, unknown> }>(app, taskQuery, { id });
  const { issuanceStatus, actionStatus, ...rest } = data.bulkTask;
  return { ...rest, status: issuanceStatus ?? actionStatus };
}

test.each(['an issuance', 'an async action'])(
  '%s is told as a query tells it at that version, signed',
  async (kind) => {
    const app = await newShop();
    const receiver = await startReceiver();
    const { secret } = await createEndpoint(app, receiver.url);
    const id =
      kind === 'an issuance'
        ? await issueCards(app, 60)
        : await importVouchers(app, [{ code: 'TOLD', type: 'GIFT_VOUCHER', gift: { amount: 1000 } }, { code: '' }]);
    const [told] = await receiver.waitFor(1, ({ body }) => body.data.id === id);
    if (told === undefined) throw new Error('unreachable');
    expect(verify(secret, told)).toEqual(told.body);
    expect(() => verify('whsec_c29tZSBvdGhlciBzZWNyZXQ=', told)).toThrow();
    const task = await queryTask(app, id);
    expect(told.body).toEqual({ type: 'bulk_task.succeeded', timestamp: task.updatedAt, data: task });
    expect(told.headers).toMatchObject({ 'content-type': 'application/json' });
    expect(told.text).not.toContain('TOLD');
    expect(told.text.length).toBeLessThan(20_000);
  },
);

test('each state that a task enters is told once, with its version', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  const { id: endpointId } = await createEndpoint(app, receiver.url, allEvents);
  const ran = await issueCards(app, 60);
  await succeeded(app, ran);
  // Within the request.
  const path = `/v2/giftcards/programs/${app.project.programId}/cards/bulk`;
  const headers = { authorization: await app.project.bearer(), 'content-type': 'application/json' };
  await fetch(app.url + path, { method: 'POST', headers, body: JSON.stringify({ initialValue: 1, count: 2 }) });
  // With nothing to do.
  await importVouchers(app, []);
  // As its owner asks.
  const steered = await issueCards(app, 400_000);
  const steer = (name: string) =>
    ask(app, `mutation ($id: ID!) { ${name}(id: $id, reason: "typo") { task { __typename } } }`, { id: steered });
  for (const name of ['pauseBulkTask', 'resumeBulkTask', 'cancelBulkTask']) await steer(name);
  // As nobody wishes.
  const broken = await issueCards(app, 400_000);
  await giveUpChunk(app.app.engine, { taskId: broken, chunk: 0 });
  const [canceled] = await receiver.waitFor(1, ({ body }) => body.type === 'bulk_task.canceled');
  expect(canceled?.body.data).toMatchObject({ id: steered, changedBy: app.project.appId, changeReason: 'typo' });
  await receiver.waitFor(1, ({ body }) => body.type === 'bulk_task.failed');
  const { rows } = await sql<{ told: string; entered: string; types: string[] }>`
    with entered as (
      select array_agg(task_id || ' ' || task_events.version || ' bulk_task.' || lower(task_events.state) order by task_id, task_events.version) as list,
        array_agg(distinct task_events.state) as types
      from task_events join tasks on tasks.id = task_id where project_id = ${app.project.id}
    ), told as (
      select array_agg(task_id || ' ' || version || ' ' || type order by task_id, version) as list
      from webhook_deliveries where endpoint_id = ${endpointId}
    )
    select told.list as told, entered.list as entered, types from told, entered`.execute(app.app.db);
  expect(rows[0]?.told).toEqual(rows[0]?.entered);
  expect(rows[0]?.types).toEqual(
    expect.arrayContaining(['QUEUED', 'RUNNING', 'PAUSED', 'CANCELING', 'CANCELED', 'FAILED', 'SUCCEEDED']),
  );
  const ids = receiver.received.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('an endpoint is told only what it asked for, and an import without webhooks_enable tells nothing', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  await createEndpoint(app, receiver.url, ['BULK_TASK_SUCCEEDED']);
  const failing = await startReceiver();
  await createEndpoint(app, failing.url, ['BULK_TASK_FAILED']);
  const csv = 'Code,Voucher Type,Discount Type,Value\nQUIET,DISCOUNT_VOUCHER,PERCENT,10\n';
  const upload = async (webhooks_enable: string | undefined) => {
    const form = new FormData();
    if (webhooks_enable !== undefined) form.set('webhooks_enable', webhooks_enable);
    form.set('file', new Blob([csv]), 'vouchers.csv');
    const answer = await fetch(`${app.url}/v1/vouchers/importCSV`, {
      method: 'POST',
      headers: app.project.headers,
      body: form,
    });
    return ((await answer.json()) as { async_action_id: string }).async_action_id;
  };
  const silent = [await upload(undefined), await upload('false')];
  for (const id of silent) await succeeded(app, id);
  const told = await upload('true');
  await receiver.waitFor(1, ({ body }) => body.data.id === told);
  expect(receiver.received.map(({ body }) => body.data.id)).toEqual([told]);
  expect(failing.received).toEqual([]);
});

test('a rotated secret signs, and the one before too until its time is over', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  const { id, secret: first } = await createEndpoint(app, receiver.url);
  const rotated = await change(app, 'rotateWebhookSecret', { id });
  const second = rotated.data.done.secret ?? '';
  expect(rotated.data.done.endpoint?.previousSecretUntil).not.toBeNull();
  await change(app, 'testWebhookEndpoint', id);
  const [both] = await receiver.waitFor(1);
  if (both === undefined) throw new Error('unreachable');
  expect(String(both.headers['webhook-signature']).split(' ')).toHaveLength(2);
  for (const secret of [first, second]) expect(verify(secret, both)).toEqual(both.body);
  expect(both.body).toMatchObject({ type: 'bulk_task.test', data: { endpointId: id } });

  await sql`update webhook_endpoints set previous_secret_until = now() where id = ${id}`.execute(app.app.db);
  await change(app, 'testWebhookEndpoint', id);
  const [, one] = await receiver.waitFor(2);
  if (one === undefined) throw new Error('unreachable');
  expect(() => verify(first, one)).toThrow();
  expect(verify(second, one)).toEqual(one.body);

  const known = await change(app, 'rotateWebhookSecret', { id, overlapSeconds: 0 });
  expect(known.data.done.endpoint?.previousSecretUntil).toBeNull();
});

test('secrets are sealed in the database and shown by no query', async () => {
  const app = await newShop();
  const { id, secret } = await createEndpoint(app, 'https://shop.example/hooks');
  const { rows } = await sql<{ row: string }>`
    select webhook_endpoints::text || encode(secret, 'escape') as row from webhook_endpoints where id = ${id}`.execute(
    app.app.db,
  );
  expect(rows[0]?.row).not.toContain(secret.slice(6));
  const { data } = await ask<{ __type: { fields: { name: string }[] } }>(
    app,
    '{ __type(name: "WebhookEndpoint") { fields { name } } }',
  );
  expect(data.__type.fields.map(({ name }) => name)).not.toContain('secret');
});

test('a secret that cannot be opened fails the attempt, and a new one mends it', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  const { id } = await createEndpoint(app, receiver.url);
  const { id: other } = await createEndpoint(app, 'https://shop.example', ['BULK_TASK_PAUSED']);
  await sql`update webhook_endpoints set secret = (select secret from webhook_endpoints where id = ${other}) where id = ${id}`.execute(
    app.app.db,
  );
  await change(app, 'testWebhookEndpoint', id);
  const failed = await deliveryOf(app, id, ({ attempts }) => attempts.length > 0);
  expect(failed.attempts[0]).toMatchObject({ status: null, error: 'SECRET_UNREADABLE' });
  const { data } = await change(app, 'rotateWebhookSecret', { id, overlapSeconds: 0 });
  const [received] = await receiver.waitFor(1);
  if (received !== undefined) verify(data.done.secret ?? '', received);
});

test('an endpoint is changed in what is given, and told by what it is now', async () => {
  const app = await newShop();
  const [before, after] = [await startReceiver(), await startReceiver()];
  const { id } = await createEndpoint(app, before.url);
  const described = await change(app, 'updateWebhookEndpoint', { id, description: 'The shop' });
  expect(described.data.done.endpoint).toMatchObject({ url: before.url, description: 'The shop', events: finalEvents });
  const events = ['BULK_TASK_RUNNING'];
  const moved = await change(app, 'updateWebhookEndpoint', { id, url: after.url, events, description: null });
  expect(moved.data.done.endpoint).toMatchObject({ url: after.url, description: null, events });
  await succeeded(app, await issueCards(app, 1));
  await after.waitFor(1, ({ body }) => body.type === 'bulk_task.running');
  expect(before.received).toEqual([]);
  const disabled = await change(app, 'updateWebhookEndpoint', { id, enabled: false });
  expect(disabled.data.done.endpoint).toMatchObject({ disabledReason: 'REQUESTED' });
  const wrong = await change(app, 'updateWebhookEndpoint', { id, url: 'https://10.0.0.1' });
  expect(wrong.data.done.userErrors).toMatchObject([{ field: ['input', 'url'], code: 'ADDRESS_REFUSED' }]);
  for (const url of [`${after.url}/a b`, `${after.url}\\x`, `${after.url}/\r\nX: y`]) {
    const odd = await change(app, 'updateWebhookEndpoint', { id, url });
    expect(odd.data.done.userErrors).toMatchObject([{ field: ['input', 'url'], code: 'INVALID' }]);
  }
});

test('deliveries that were over before a moment are pruned, a few at a time', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  const { id } = await createEndpoint(app, receiver.url);
  for (let count = 0; count < 3; count += 1) await change(app, 'testWebhookEndpoint', id);
  const isOver = async () =>
    (await readEndpoint(app, id))?.deliveries.nodes.every(({ state }) => state === 'SUCCEEDED');
  await expect.poll(isOver, { timeout: 10_000 }).toBe(true);
  await sql`update webhook_deliveries set completed_at = '2020-01-01' where endpoint_id = ${id}`.execute(app.app.db);
  const before = new Date('2020-01-02');
  expect(await pruneDeliveries(app.app.db, before, 2)).toBe(2);
  expect(await pruneDeliveries(app.app.db, before, 2)).toBe(1);
  expect((await readEndpoint(app, id))?.deliveries.nodes).toEqual([]);
});

test('what failed is tried again, with the same id and body, and every attempt is in the log', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  const { id, secret } = await createEndpoint(app, receiver.url);
  let refusals = 1;
  receiver.answer((response) => response.writeHead(refusals-- > 0 ? 500 : 200).end('x'.repeat(5_000)));
  await issueCards(app, 1);
  const [first, second] = await receiver.waitFor(2);
  expect(second).toMatchObject({ id: first?.id, text: first?.text });
  if (second !== undefined) verify(secret, second);
  const delivery = await deliveryOf(app, id, ({ state }) => state === 'SUCCEEDED');
  expect(delivery).toMatchObject({ id: first?.id, body: first?.text, nextAttemptAt: null });
  expect(delivery.attempts).toMatchObject([
    { number: 1, status: 500, error: 'STATUS', answer: 'x'.repeat(1_000) },
    { number: 2, status: 200, error: null, answer: 'x'.repeat(1_000) },
  ]);
  expect(await readEndpoint(app, id)).toMatchObject({ failures: 0, pausedUntil: null });
});

test('a message is given up a day later, and can be replayed then', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  const { id } = await createEndpoint(app, receiver.url);
  receiver.answer(async (response, { id: webhookId }) => {
    await sql`update webhook_deliveries set expires_at = now() where id = ${webhookId}`.execute(app.app.db);
    response.writeHead(400).end('no');
  });
  await issueCards(app, 1);
  const lost = await deliveryOf(app, id, ({ state }) => state === 'FAILED');
  expect(lost).toMatchObject({ nextAttemptAt: null, attempts: [{ status: 400, answer: 'no', error: 'STATUS' }] });
  receiver.answer((response) => response.writeHead(202).end());
  const replayed = await change(app, 'replayWebhookDelivery', lost.id);
  expect(replayed.data.done).toMatchObject({ delivery: { state: 'PENDING' }, userErrors: [] });
  const [first, again] = await receiver.waitFor(2);
  expect(again).toMatchObject({ id: first?.id, text: first?.text });
  await deliveryOf(app, id, ({ state, attempts }) => state === 'SUCCEEDED' && attempts.length === 2);
});

test.each([
  [429, {}],
  [502, {}],
  [400, { 'retry-after': '3600' }],
  [503, { 'retry-after': '99999999999' }],
])('an endpoint that answers %d %j is slowed down as a whole', async (status, headers) => {
  const app = await newShop();
  const receiver = await startReceiver();
  const { id } = await createEndpoint(app, receiver.url);
  receiver.answer((response) => response.writeHead(status, headers).end());
  await issueCards(app, 1);
  await deliveryOf(app, id, ({ attempts }) => attempts.length === 1);
  const pausedMs = Date.parse((await readEndpoint(app, id))?.pausedUntil ?? '') - Date.now();
  expect(pausedMs).toBeGreaterThan('retry-after' in headers ? 3_500_000 : 0);
  await sql`update webhook_endpoints set paused_until = now() + interval '1 hour' where id = ${id}`.execute(app.app.db);
  await issueCards(app, 1);
  const hour = Date.now() + 3_500_000;
  const waiting = await deliveryOf(
    app,
    id,
    ({ attempts, nextAttemptAt }) => attempts.length === 0 && Date.parse(nextAttemptAt ?? '') > hour,
  );
  expect(waiting.state).toBe('PENDING');
  expect(receiver.received).toHaveLength(1);
});

test('410 disables an endpoint; enabled again, it is told what happens from then on', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  const { id } = await createEndpoint(app, receiver.url);
  receiver.answer((response) => response.writeHead(410).end());
  await issueCards(app, 1);
  const gone = await deliveryOf(app, id, ({ state }) => state === 'FAILED');
  expect(gone.attempts).toMatchObject([{ status: 410, error: 'GONE' }]);
  expect(await readEndpoint(app, id)).toMatchObject({ disabledReason: 'GONE' });
  const replay = await change(app, 'replayWebhookDelivery', gone.id);
  expect(replay.data.done).toMatchObject({
    delivery: null,
    userErrors: [{ field: ['id'], code: 'ENDPOINT_DISABLED' }],
  });
  await succeeded(app, await issueCards(app, 1));
  expect((await readEndpoint(app, id))?.deliveries.nodes).toHaveLength(1);

  receiver.answer((response) => response.writeHead(200).end());
  const enabled = await change(app, 'updateWebhookEndpoint', { id, enabled: true });
  expect(enabled.data.done.endpoint).toMatchObject({ disabledReason: null, failures: 0 });
  await issueCards(app, 1);
  await receiver.waitFor(2);
});

test('an endpoint that has failed for days is disabled at its next failure', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  const { id } = await createEndpoint(app, receiver.url);
  receiver.answer((response) => response.writeHead(500).end());
  await sql`update webhook_endpoints set failures = 9, failing_since = now() - interval '2 days' where id = ${id}`.execute(
    app.app.db,
  );
  await issueCards(app, 1);
  await deliveryOf(app, id, ({ attempts }) => attempts.length === 1);
  expect(await readEndpoint(app, id)).toMatchObject({ disabledReason: null, failures: 10 });
  await sql`update webhook_endpoints set failing_since = now() - interval '4 days' where id = ${id}`.execute(
    app.app.db,
  );
  await deliveryOf(app, id, ({ state }) => state === 'FAILED');
  expect(await readEndpoint(app, id)).toMatchObject({ disabledReason: 'FAILING' });
});

test('a slow endpoint delays neither another one nor tasks, and has two requests at a time', async () => {
  const app = await newShop();
  const slow = await startReceiver();
  let open = 0;
  let most = 0;
  const held: (() => void)[] = [];
  slow.answer((response) => {
    open += 1;
    most = Math.max(most, open);
    held.push(() => response.writeHead(200).end());
    response.once('close', () => {
      open -= 1;
    });
  });
  const fast = await startReceiver();
  const { id: slowId } = await createEndpoint(app, slow.url);
  await createEndpoint(app, fast.url);
  const startedMs = performance.now();
  const tasks = await Promise.all(Array.from({ length: 20 }, () => issueCards(app, 1)));
  for (const task of tasks) await succeeded(app, task);
  await fast.waitFor(20);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  expect(slow.received).toHaveLength(2);
  slow.answer((response) => response.writeHead(200).end());
  for (const release of held) release();
  await slow.waitFor(20);
  expect(most).toBe(2);
  await deliveryOf(app, slowId, ({ state }) => state === 'SUCCEEDED');
});

test('deliveries are listed page by page and by state', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  const { id } = await createEndpoint(app, receiver.url);
  for (let count = 0; count < 3; count += 1) await change(app, 'testWebhookEndpoint', id);
  await receiver.waitFor(3);
  const query = `query ($id: ID!, $after: String, $state: WebhookDeliveryState) {
    webhookEndpoint(id: $id) { deliveries(first: 2, after: $after, state: $state) { nodes { id } pageInfo { hasNextPage endCursor } } }
  }`;
  const read = async (more: object) => {
    type Page = { nodes: { id: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string } };
    const { data } = await ask<{ webhookEndpoint: { deliveries: Page } }>(app, query, { id, ...more });
    return data.webhookEndpoint.deliveries;
  };
  const first = await read({});
  expect(first.pageInfo.hasNextPage).toBe(true);
  const second = await read({ after: first.pageInfo.endCursor });
  expect(new Set([...first.nodes, ...second.nodes].map(({ id }) => id)).size).toBe(3);
  expect((await read({ state: 'FAILED' })).nodes).toEqual([]);
});

test('strangers and watch tokens see and change nothing of it', async () => {
  const app = await newShop();
  const receiver = await startReceiver();
  const { id } = await createEndpoint(app, receiver.url, finalEvents);
  await change(app, 'testWebhookEndpoint', id);
  const { id: delivery } = await deliveryOf(app, id, ({ state }) => state === 'SUCCEEDED');
  const stranger = (await app.createProject()).headers;
  expect(await readEndpoint(app, id, stranger)).toBeNull();
  const calls = [
    ['updateWebhookEndpoint', { id, enabled: false }],
    ['rotateWebhookSecret', { id }],
    ['deleteWebhookEndpoint', id],
    ['testWebhookEndpoint', id],
    ['replayWebhookDelivery', delivery],
  ] as const;
  const unknown = '8d9f4c52-6a35-4a0b-8a5e-2a7f3a3f9b11';
  for (const [name, value] of calls) {
    const foreign = await change(app, name, value, stranger);
    const given = typeof value === 'string' ? unknown : { ...value, id: unknown };
    expect(foreign.data).toEqual((await change(app, name, given)).data);
    expect(foreign.data.done.userErrors).toMatchObject([{ code: 'NOT_FOUND' }]);
  }
  const task = await issueCards(app, 1);
  const token = await ask<{ createWatchToken: { token: string } }>(
    app,
    'mutation ($id: ID!) { createWatchToken(input: { id: $id }) { token } }',
    { id: task },
  );
  const watcher = { authorization: `Bearer ${token.data.createWatchToken.token}` };
  for (const [name, value] of calls) {
    expect((await change(app, name, value, watcher)).errors?.[0]?.extensions.code).toBe('FORBIDDEN');
  }
  const list = await ask(app, '{ webhookEndpoints { id } }', {}, watcher);
  expect(list.errors?.[0]?.extensions.code).toBe('FORBIDDEN');
});

test('a project has twenty endpoints at most, and a deleted one makes room', async () => {
  const app = await newShop();
  const { headers } = await app.createProject();
  const made = await Promise.all(
    Array.from({ length: 22 }, () =>
      change(app, 'createWebhookEndpoint', { url: 'https://shop.example', events: finalEvents }, headers),
    ),
  );
  const refused = made.filter(({ data }) => data.done.endpoint === null);
  expect(refused).toHaveLength(2);
  expect(refused[0]?.data.done.userErrors).toMatchObject([{ code: 'TOO_MANY_ENDPOINTS' }]);
  const some = made.find(({ data }) => data.done.endpoint !== null)?.data.done.endpoint?.id;
  await change(app, 'deleteWebhookEndpoint', some, headers);
  await createEndpoint(app, 'https://shop.example', finalEvents, headers);
});
