import { beforeAll, describe, expect, test } from 'vitest';
import type { ActionList, ActionWithResult } from '../../src/rest/async-action/shapes.ts';
import { failTask, markRunning } from '../../src/tasks/store.ts';
import { checkAsyncAction, checkResult } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type Client, createClient, present } from './client.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp();
  client = createClient(app);
});

const gift = (code: string) => ({ code, type: 'GIFT_VOUCHER', gift: { amount: 1000 } });

async function startImport(vouchers: unknown, of: Client = client): Promise<string> {
  const { status, body } = await of.post<{ async_action_id: string }>('/v1/vouchers/import', vouchers);
  expect(status).toBe(202);
  checkAsyncAction('VouchersImportCreateResponseBody', body);
  expect(Object.keys(body)).toEqual(['async_action_id']);
  return body.async_action_id;
}

describe('the import of vouchers', () => {
  test('imports the good ones and tells why the others were refused', async () => {
    const started = performance.now();
    const id = await startImport([
      gift('GOOD-1'),
      gift('GOOD-1'),
      { code: 'BAD', gift: { amount: 'much' } },
      { gift: {} },
    ]);
    expect(id).toMatch(/^aa_[0-9a-f]{18}$/);
    const action = await client.ended(id);
    expect(Object.keys(action)).toEqual([
      'id',
      'type',
      'status',
      'operation_status',
      'created_at',
      'updated_at',
      'request_id',
      'processing_time',
      'progress',
      'object',
      'result',
    ]);
    expect(action).toMatchObject({
      id,
      type: 'VOUCHERS.IMPORT',
      status: 'DONE',
      operation_status: 'SUCCESS',
      request_id: expect.stringMatching(/^v-[0-9a-f]{18}$/),
      processing_time: Date.parse(action.updated_at) - Date.parse(action.created_at),
      progress: 100,
      object: 'async_action',
    });
    expect(action.processing_time).toBeLessThan(performance.now() - started);
    checkResult('VOUCHERS.IMPORT', action.result);
    expect(action.result).toEqual({
      message: '1 voucher(s) imported successfully, 3 failed.',
      failed: [
        { code: 'GOOD-1', reason: 'Duplicated voucher exists with id GOOD-1' },
        { code: 'BAD', reason: expect.stringContaining('gift.amount: must be a number') },
        { code: '', reason: expect.stringContaining('code: must be a string') },
      ],
      done_count: 1,
      failed_count: 3,
    });
  });

  test('tells an empty list of failures as a list', async () => {
    const { result } = await client.ended(await startImport([gift('ALONE')]));
    expect(result).toMatchObject({ failed: [], done_count: 1, failed_count: 0 });
  });

  test('lists no more failures than the limit', async () => {
    const small = await startTestApp({ settings: { BULKCAST_POLL_FAILURES: '3' } });
    const other = createClient(small);
    const { result } = await other.ended(await startImport([{}, {}, {}, {}, {}], other));
    expect(result).toMatchObject({ failed: [{}, {}, {}], failed_count: 5 });
  });

  test('ends at once when there is nothing to import', async () => {
    expect(await client.ended(await startImport([]))).toMatchObject({ status: 'DONE', progress: 100 });
  });

  test.each([
    ['nothing, announced as JSON', '', 'Payload should be array'],
    ['an object', {}, 'Payload should be array'],
    ['a list with a text in it', [gift('A'), 'B'], 'Property [1] should be object'],
  ])('refuses %s', async (_name, body, details) => {
    const answer = await client.post('/v1/vouchers/import', body, { 'content-type': 'application/json' });
    expect(answer.status).toBe(400);
    checkAsyncAction('Error', answer.body);
    expect(answer.body).toEqual({
      code: 400,
      key: 'invalid_payload',
      message: 'Invalid payload',
      details,
      request_id: answer.headers.get('x-request-id'),
    });
  });

  test('starts one task for one Idempotency-Key, quoted or not', async () => {
    const body = [gift('IDEMPOTENT')];
    const first = await client.post('/v1/vouchers/import', body, { 'idempotency-key': 'key "1"' });
    const again = await client.post('/v1/vouchers/import', body, { 'idempotency-key': '"key \\"1\\""' });
    const other = await client.post('/v1/vouchers/import', [gift('OTHER')], { 'idempotency-key': 'key "1"' });
    expect(first.status).toBe(202);
    expect([again.status, again.body]).toEqual([202, first.body]);
    expect([other.status, other.body]).toMatchObject([422, { code: 422, key: 'idempotency_key_reused' }]);
    checkAsyncAction('Error', other.body);
  });

  test.each(['', 'x'.repeat(256)])('refuses the Idempotency-Key %j', async (key) => {
    const { status, body } = await client.post('/v1/vouchers/import', [], { 'idempotency-key': key });
    expect([status, body]).toMatchObject([400, { details: 'An Idempotency-Key has 1 to 255 characters' }]);
  });
});

describe('the poll of an async action', () => {
  test('waits a moment for a task that is about to start', async () => {
    const waiting = await startTestApp({ role: 'gateway', settings: { BULKCAST_POLL_WAIT_MS: '9000' } });
    const other = createClient(waiting);
    const id = await startImport([gift('WAIT')], other);
    const poll = other.get<ActionWithResult>(`/v1/async-actions/${id}`);
    await expect.poll(async () => (await waiting.app.metrics.subscribers.get()).values).toMatchObject([{ value: 1 }]);
    const running = present(await markRunning(waiting.app.db, id));
    waiting.app.bus.publish(running);
    const { body, headers } = await poll;
    checkAsyncAction('AsyncActionGetResponseBody', body);
    expect(body).toMatchObject({ status: 'IN_PROGRESS', operation_status: 'UNKNOWN', progress: 0 });
    expect(body).not.toHaveProperty('result');
    expect(headers.get('etag')).toBe('"2"');
    expect(headers.get('retry-after')).toBe('1');
    expect(headers.get('cache-control')).toBe('private, no-cache');
  });

  test('waits no longer than the setting says, and holds nothing afterwards', async () => {
    const waiting = await startTestApp({ role: 'gateway', settings: { BULKCAST_POLL_WAIT_MS: '300' } });
    const other = createClient(waiting);
    const id = await startImport([gift('LONG')], other);
    const started = performance.now();
    const { body } = await other.get(`/v1/async-actions/${id}`);
    expect(performance.now() - started).toBeGreaterThan(290);
    expect(performance.now() - started).toBeLessThan(3_000);
    checkAsyncAction('AsyncActionGetResponseBody', body);
    expect(body).toMatchObject({
      status: 'ENQUEUED',
      operation_status: 'UNKNOWN',
      processing_time: expect.any(Number),
    });
    expect((await waiting.app.metrics.subscribers.get()).values).toMatchObject([{ value: 0 }]);
  });

  test('tells that a task has failed', async () => {
    const waiting = await startTestApp({ role: 'gateway', settings: { BULKCAST_POLL_WAIT_MS: '0' } });
    const other = createClient(waiting);
    const id = await startImport([gift('FAILED')], other);
    await failTask(waiting.app.db, id, 'Rows could not be processed');
    const { body, headers } = await other.get<ActionWithResult>(`/v1/async-actions/${id}`);
    checkAsyncAction('AsyncActionGetResponseBody', body);
    expect(body).toMatchObject({ status: 'FAILED', operation_status: 'FAILED', progress: 0 });
    expect(body.result).toMatchObject({ failed: [], done_count: 0, failed_count: 0 });
    expect(headers.get('retry-after')).toBeNull();
  });

  test('answers 304 to whoever has the version already', async () => {
    const { id } = await client.ended(await startImport([gift('ETAG')]));
    const first = await client.get(`/v1/async-actions/${id}`);
    const headers = { ...app.project.headers, 'if-none-match': present(first.headers.get('etag')) };
    const again = await client.get(`/v1/async-actions/${id}`, { headers });
    expect([again.status, again.text]).toEqual([304, '']);
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'));
  });

  test.each(['aa_000000000000000000', 'aa_0', 'nothing', 'a%2Fb', 'x%00', '%F0%9F%8E%81'])(
    'answers 404 to the id %s',
    async (id) => {
      const { status, body, headers } = await client.get(`/v1/async-actions/${id}`);
      expect(status).toBe(404);
      checkAsyncAction('Error', body);
      expect(body).toEqual({
        code: 404,
        key: 'not_found',
        message: 'Resource not found',
        details: `Cannot find async_action with id ${decodeURIComponent(id)}`,
        request_id: headers.get('x-request-id'),
        resource_id: decodeURIComponent(id),
        resource_type: 'async_action',
      });
    },
  );

  test('does not tell an issuance', async () => {
    const { taskId } = await client.issue(60);
    expect((await client.get(`/v1/async-actions/${taskId}`)).status).toBe(404);
  });

  test('is timed apart from the other requests', async () => {
    await client.get('/v1/async-actions/aa_000000000000000000');
    const { values } = await app.app.metrics.requestSeconds.get();
    expect(values.map(({ labels }) => labels)).toContainEqual(expect.objectContaining({ door: 'poll', status: '404' }));
    expect(values.map(({ labels }) => labels)).toContainEqual(expect.objectContaining({ door: 'rest', status: '202' }));
  });
});

describe('the list of async actions', () => {
  test('pages through them by end_date, newest first, without results or issuances', async () => {
    const fresh = await app.createProject();
    const other = createClient(app, fresh);
    const ids: string[] = [];
    for (let number = 0; number < 12; number += 1) ids.unshift(await startImport([gift(`LIST-${number}`)], other));
    await Promise.all(ids.map((id) => other.ended(id)));
    await other.issue(60);
    const first = await other.get<ActionList>('/v1/async-actions');
    checkAsyncAction('AsyncActionsListResponseBody', first.body);
    expect(first.body).toMatchObject({ object: 'list', data_ref: 'async_actions', has_more: true });
    expect(first.body.async_actions.map(({ id }) => id)).toEqual(ids.slice(0, 10));
    for (const action of first.body.async_actions) expect(action).not.toHaveProperty('result');
    const oldest = present(first.body.async_actions.at(-1)).created_at;
    const second = await other.get<ActionList>(`/v1/async-actions?limit=100&end_date=${oldest}`);
    expect(second.body.async_actions.map(({ id }) => id)).toEqual(ids.slice(10));
    expect(second.body.has_more).toBe(false);
    const exact = await other.get<ActionList>('/v1/async-actions?limit=12');
    expect(exact.body).toMatchObject({ has_more: false });
    const before = await other.get<ActionList>('/v1/async-actions?end_date=2016-11-16');
    expect(before.body).toEqual({ object: 'list', data_ref: 'async_actions', async_actions: [], has_more: false });
  });

  test.each([
    ['limit=0', 'Property .limit cannot be lower than 1'],
    ['limit=-5', 'Property .limit cannot be lower than 1'],
    ['limit=101', 'Property .limit cannot be greater than 100'],
    ['limit=1.5', 'Property .limit should be integer'],
    ['limit=', 'Property .limit should be integer'],
    ['limit=1&limit=2', 'Property .limit should be integer'],
    ['end_date=yesterday', 'Property .end_date cannot be recognized as a ISO-8601 compliant date'],
    ['end_date=2016-02-31', 'Property .end_date cannot be recognized as a ISO-8601 compliant date'],
    ['end_date=', 'Property .end_date cannot be recognized as a ISO-8601 compliant date'],
  ])('refuses %s', async (query, details) => {
    const { status, body, headers } = await client.get(`/v1/async-actions?${query}`);
    expect(status).toBe(400);
    checkAsyncAction('Error', body);
    expect(body).toEqual({
      code: 400,
      key: 'invalid_query_params',
      message: 'Invalid query params',
      details,
      request_id: headers.get('x-request-id'),
    });
  });
});
