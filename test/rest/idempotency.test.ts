import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import type { SyncResponse } from '../../src/rest/bulk-issuance/shapes.ts';
import { readIdempotencyKey } from '../../src/rest/idempotency-key.ts';
import { checkAsyncAction, checkIssuance } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { type Client, createClient } from './client.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp();
  client = createClient(app);
});

test.each([
  ['plain', 'plain'],
  ['"quoted"', 'quoted'],
  [' "a \\"b\\" \\\\c" ', 'a "b" \\c'],
  ['"not closed', '"not closed'],
  ['"a", "b"', '"a", "b"'],
  ['""', ''],
])('reads the key %j as %j', (header, key) => {
  expect(readIdempotencyKey({ 'idempotency-key': header })).toBe(key);
});

test('issues few cards once for one key', async () => {
  const headers = { 'idempotency-key': 'few' };
  const body = { initialValue: 5, count: 3 };
  const first = await client.post<SyncResponse>(client.bulk, body, headers);
  const again = await client.post<SyncResponse>(client.bulk, { count: 3, initialValue: 5 }, headers);
  expect([first.status, again.status]).toEqual([201, 201]);
  expect(again.body).toEqual(first.body);
});

test('accepts many cards once for one key, with the same answer when they are issued', async () => {
  const headers = { 'idempotency-key': '"many"' };
  const body = { initialValue: 5, count: 60 };
  const first = await client.post<{ taskId: string }>(client.bulk, body, headers);
  const isDone = async () => (await client.get(`${client.bulk}/${first.body.taskId}`)).body.status === 'completed';
  await waitFor(isDone, { message: 'the cards are issued' });
  const again = await client.post(client.bulk, body, headers);
  expect([again.status, again.text]).toEqual([202, first.text]);
});

test('refuses the key of another request with 422', async () => {
  const headers = { 'idempotency-key': 'used' };
  await client.post(client.bulk, { initialValue: 5, count: 1 }, headers);
  const { status, body } = await client.post(client.bulk, { initialValue: 5, count: 2 }, headers);
  expect(status).toBe(422);
  checkIssuance('HTTPValidationError', body);
  expect(body).toMatchObject({ detail: [{ loc: ['header', 'Idempotency-Key'], type: 'idempotency_key_reused' }] });
});

test('repeats the answer of an issuance whose cards have ended meanwhile', async () => {
  const headers = { 'idempotency-key': 'ended' };
  const expiresAt = new Date(Date.now() + 1_000);
  const body = { initialValue: 5, count: 1, expiresAt };
  const first = await client.post<SyncResponse>(client.bulk, body, headers);
  expect(first.status).toBe(201);
  await waitFor(() => Date.now() > expiresAt.getTime(), { message: 'the cards have ended' });
  const again = await client.post<SyncResponse>(client.bulk, body, headers);
  expect([again.status, again.body]).toEqual([201, first.body]);
  expect((await client.post(client.bulk, { ...body, count: 2 }, headers)).body).toMatchObject({
    detail: [{ type: 'idempotency_key_reused' }],
  });
});

test('a key whose time is over is as if it had never been used', async () => {
  const headers = { 'idempotency-key': 'over' };
  const first = await client.post<SyncResponse>(client.bulk, { initialValue: 5, count: 1 }, headers);
  await sql`update idempotency_keys set expires_at = now() where key = 'over'`.execute(app.app.db);
  const second = await client.post<SyncResponse>(client.bulk, { initialValue: 5, count: 2 }, headers);
  expect([first.status, second.status, second.body.issuedCount]).toEqual([201, 201, 2]);
  const again = await client.post<SyncResponse>(client.bulk, { initialValue: 5, count: 2 }, headers);
  expect(again.body).toEqual(second.body);
});

test('refuses a key that is too long with 422', async () => {
  const { status, body } = await client.post(
    client.bulk,
    { initialValue: 5, count: 1 },
    { 'idempotency-key': 'x'.repeat(256) },
  );
  expect(status).toBe(422);
  checkIssuance('HTTPValidationError', body);
  expect(body).toMatchObject({ detail: [{ loc: ['header', 'Idempotency-Key'] }] });
});

test('answers 409 while the first request is still running, and issues once', async () => {
  const headers = { 'idempotency-key': 'running' };
  const issue = () => client.post(client.bulk, { initialValue: 5, count: 1 }, headers);
  const importing = () => client.post('/v1/vouchers/import', [{ code: 'ONCE', gift: { amount: 1 } }], headers);
  const { issued, imported } = await app.app.db
    .transaction()
    .execute(async (tx) => {
      // Both have reserved their key when they wait for this lock.
      await sql`lock table tasks in exclusive mode`.execute(tx);
      const running = { issued: issue(), imported: importing() };
      await waitFor(() => waitingForLock(), { message: 'both starts wait for the table' });
      const second = await issue();
      expect([second.status, second.body]).toEqual([409, { detail: expect.any(String) }]);
      const secondImport = await importing();
      expect([secondImport.status, secondImport.body]).toMatchObject([
        409,
        { code: 409, key: 'idempotency_key_in_use' },
      ]);
      checkAsyncAction('Error', secondImport.body);
      // Awaited outside: they go on when this transaction is over.
      return running;
    })
    .then(async (running) => ({ issued: await running.issued, imported: await running.imported }));
  expect([issued.status, imported.status]).toEqual([201, 202]);
  expect((await issue()).body).toEqual(issued.body);
});

test('refuses cards that have ended before they are issued, in the words of Pydantic', async () => {
  const body = { initialValue: 5, count: 1, expiresAt: '2001-01-01T00:00:00Z' };
  const answer = await client.post(client.bulk, body);
  const [loc, msg, type] = [['body', 'expiresAt'], 'Input should be in the future', 'datetime_future'];
  expect([answer.status, answer.body]).toEqual([422, { detail: [{ loc, msg, type, input: body.expiresAt }] }]);
  checkIssuance('HTTPValidationError', answer.body);
});

test('tells until when a key stands, the same for a repeated request, and nothing without a key', async () => {
  const start = (headers: Record<string, string>) =>
    client.post('/v1/vouchers/import', [{ code: 'TOLD', gift: { amount: 1 } }], headers);
  const [first, again] = [await start({ 'idempotency-key': 'told' }), await start({ 'idempotency-key': 'told' })];
  const until = first.headers.get('idempotency-key-expires') ?? '';
  expect(Date.parse(until) - Date.now()).toBeGreaterThan(6.9 * 24 * 3600 * 1000);
  expect(again.headers.get('idempotency-key-expires')).toBe(until);
  expect((await start({})).headers.get('idempotency-key-expires')).toBeNull();
  const issued = await client.post(client.bulk, { initialValue: 5, count: 1 }, { 'idempotency-key': 'told too' });
  expect(Date.parse(issued.headers.get('idempotency-key-expires') ?? '')).toBeGreaterThanOrEqual(Date.parse(until));
});

async function waitingForLock(): Promise<boolean> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from pg_locks where not granted and relation = 'tasks'::regclass`.execute(app.app.db);
  return rows[0]?.count === 2;
}
