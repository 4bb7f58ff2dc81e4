import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import { createProgram } from '../../src/domain/gift-cards.ts';
import type { SyncResponse, TaskStatus, ValidationError } from '../../src/rest/bulk-issuance/shapes.ts';
import { failTask } from '../../src/tasks/store.ts';
import { checkIssuance } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type Client, createClient, present } from './client.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp();
  client = createClient(app);
});

const unknownTask = '00000000-0000-4000-8000-000000000000';

describe('the start of an issuance', () => {
  test('answers 201 with the cards when there are few', async () => {
    const { status, body, headers } = await client.post<SyncResponse>(client.bulk, { initialValue: 25, count: 50 });
    expect(status).toBe(201);
    checkIssuance('BulkIssuanceSyncResponse', body);
    expect(Object.keys(body).sort()).toEqual(['cards', 'csvDownloadUrl', 'failedCount', 'issuedCount']);
    expect(body).toMatchObject({ issuedCount: 50, failedCount: 0 });
    expect(body.cards).toHaveLength(50);
    expect(new Set(body.cards.map((card) => card.cardNumber)).size).toBe(50);
    for (const card of body.cards) {
      expect(Object.keys(card).sort()).toEqual(['cardNumber', 'id', 'lastFourDigits']);
      expect(card.cardNumber.endsWith(card.lastFourDigits)).toBe(true);
    }
    expect(headers.get('x-request-id')).toMatch(/^v-[0-9a-f]{18}$/);
    const csv = await fetch(present(body.csvDownloadUrl));
    expect((await csv.text()).trim().split('\r\n')).toHaveLength(51);
  });

  test('answers 202 with a task when there are many, and the task issues them', async () => {
    const { status, body } = await client.post(client.bulk, { initialValue: '10.50', count: 51 });
    expect(status).toBe(202);
    checkIssuance('BulkIssuanceAsyncResponse', body);
    expect(body).toEqual({ taskId: expect.stringMatching(/^[0-9a-f-]{36}$/), status: 'pending' });
  });

  test('takes the merchant token and the optional parts of the request', async () => {
    const { status, body } = await client.call<SyncResponse>('POST', `${client.bulk}?cardId=${'a'.repeat(24)}`, {
      headers: { authorization: await app.project.bearer(), 'x-eposn-merchant-token': 'ignored' },
      body: {
        initialValue: 0.01,
        isPhysical: true,
        designTemplate: 'Birthday',
        expiresAt: '2099-01-31T00:00:00+01:00',
        count: null,
        recipients: [{ customerEmail: 'ann@example.com', customerName: 'Ann' }, { customMessage: 'Hello' }],
      },
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ issuedCount: 2, failedCount: 0 });
    const csv = await (await fetch(present(body.csvDownloadUrl))).text();
    expect(csv.split('\r\n')[1]).toMatch(/,0\.01,USD,2099-01-30T23:00:00\.000Z,ann@example\.com,Ann$/);
  });

  test('refuses a bad recipient and issues the other cards', async () => {
    const recipients = [{ customerEmail: 'ann@example.com' }, { customerEmail: 'not an address' }];
    const { status, body } = await client.post<SyncResponse>(client.bulk, { initialValue: 5, recipients });
    expect(status).toBe(201);
    expect(body).toMatchObject({ issuedCount: 1, failedCount: 1 });
    checkIssuance('BulkIssuanceSyncResponse', body);
  });

  test('answers 403 alike for an unknown program and for one of somebody else', async () => {
    const stranger = await app.createProject();
    const body = { initialValue: 5, count: 1 };
    const foreign = await client.post(`/v2/giftcards/programs/${stranger.programId}/cards/bulk`, body);
    const unknown = await client.post(`/v2/giftcards/programs/${'0'.repeat(24)}/cards/bulk`, body);
    expect(foreign.status).toBe(403);
    expect(foreign.body).toEqual({ detail: expect.any(String) });
    expect([unknown.status, unknown.text]).toEqual([foreign.status, foreign.text]);
  });

  test('tells every wrong part of the request at once', async () => {
    const { status, body } = await client.post<{ detail: ValidationError[] }>(
      '/v2/giftcards/programs/XYZ/cards/bulk?cardId=1',
      { initialValue: 'x', count: 1.5, programId: 'mine', foo: 1 },
    );
    expect(status).toBe(422);
    checkIssuance('HTTPValidationError', body);
    expect(body.detail.map(({ loc, type }) => [loc.join('.'), type])).toEqual([
      ['path.programId', 'string_pattern_mismatch'],
      ['query.cardId', 'string_pattern_mismatch'],
      ['body.programId', 'extra_forbidden'],
      ['body.initialValue', 'decimal_parsing'],
      ['body.count', 'int_from_float'],
      ['body.foo', 'extra_forbidden'],
    ]);
  });

  test.each([0, -1, 1.5, 1e9, 1e300, '5', null])('refuses a count of %s and starts nothing', async (count) => {
    const before = await countTasks();
    const { status, body } = await client.post(client.bulk, { initialValue: 5, count });
    expect(status).toBe(422);
    checkIssuance('HTTPValidationError', body);
    expect(body).toMatchObject({ detail: [{ loc: ['body', 'count'] }] });
    expect(await countTasks()).toBe(before);
  });

  test('tells the upper bound of the count', async () => {
    const { body } = await client.post(client.bulk, { initialValue: 5, count: 1e9 });
    expect(body).toEqual({
      detail: [
        {
          loc: ['body', 'count'],
          msg: 'Input should be less than or equal to 10000000',
          type: 'less_than_equal',
          input: 1e9,
          ctx: { le: 10_000_000 },
        },
      ],
    });
  });

  test('tells an absent body, a list and an empty object as Pydantic does', async () => {
    const absent = await client.post(client.bulk, '', { 'content-type': 'application/json' });
    const list = await client.post(client.bulk, []);
    const empty = await client.post(client.bulk, {});
    expect(absent.body).toEqual({ detail: [{ loc: ['body'], msg: 'Field required', type: 'missing', input: null }] });
    expect(list.body).toMatchObject({ detail: [{ loc: ['body'], type: 'model_attributes_type', input: [] }] });
    expect(empty.body).toMatchObject({ detail: [{ loc: ['body', 'initialValue'], type: 'missing', input: {} }] });
    expect([absent.status, list.status, empty.status]).toEqual([422, 422, 422]);
  });

  test('does not send a large body with many mistakes back', async () => {
    const recipients = Array.from({ length: 20_000 }, () => ({ x: 'y'.repeat(100) }));
    const { status, text } = await client.post(client.bulk, { initialValue: 5, recipients });
    expect(status).toBe(422);
    expect(text.length).toBeLessThan(1_000_000);
  });
});

describe('the poll of an issuance', () => {
  test('answers all eight keys, null until they are filled', async () => {
    const waiting = await startTestApp({ role: 'gateway' });
    const { bulk, post, get } = createClient(waiting);
    const { body } = await post<{ taskId: string }>(bulk, { initialValue: 5, count: 51 });
    const poll = await get<TaskStatus>(`${bulk}/${body.taskId}`);
    expect(poll.status).toBe(200);
    checkIssuance('BulkIssuanceTaskStatus', poll.body);
    expect(poll.body).toEqual({
      taskId: body.taskId,
      status: 'pending',
      issuedCount: null,
      cards: null,
      csvDownloadUrl: null,
      failedCount: null,
      error: null,
      completedAt: null,
    });
    expect(poll.headers.get('etag')).toBe('"1"');
    expect(poll.headers.get('retry-after')).toBe('1');
    expect(poll.headers.get('cache-control')).toBe('private, no-cache');
  });

  test('tells why a task has failed', async () => {
    const waiting = await startTestApp({ role: 'gateway' });
    const { bulk, post, get } = createClient(waiting);
    const { body } = await post<{ taskId: string }>(bulk, { initialValue: 5, count: 51 });
    const failed = present(await failTask(waiting.app.db, body.taskId, 'Out of card stock'));
    const poll = await get<TaskStatus>(`${bulk}/${body.taskId}`);
    checkIssuance('BulkIssuanceTaskStatus', poll.body);
    expect(poll.body).toEqual({
      taskId: body.taskId,
      status: 'failed',
      issuedCount: 0,
      cards: null,
      csvDownloadUrl: null,
      failedCount: 0,
      error: 'Out of card stock',
      completedAt: failed.completedAt?.toISOString(),
    });
    expect(poll.headers.get('retry-after')).toBeNull();
  });

  test('answers HEAD as GET, without the body', async () => {
    const done = await client.issue(60);
    const poll = await client.call('HEAD', `${client.bulk}/${done.taskId}`);
    expect([poll.status, poll.text]).toEqual([200, '']);
    expect(poll.headers.get('etag')).toMatch(/^"\d+"$/);
  });

  test('tells the cards, the link and the time when it is completed', async () => {
    const done = await client.issue(60);
    expect(done).toMatchObject({ status: 'completed', issuedCount: 60, failedCount: 0, error: null });
    expect(done.cards).toHaveLength(60);
    expect(done.completedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const csv = await fetch(present(done.csvDownloadUrl));
    expect(csv.status).toBe(200);
    await csv.body?.cancel();
  });

  test('narrows the cards to one', async () => {
    const done = await client.issue(60);
    const card = present(done.cards?.[7]);
    const known = await client.get<TaskStatus>(`${client.bulk}/${done.taskId}?cardId=${card.id}`);
    const unknown = await client.get<TaskStatus>(`${client.bulk}/${done.taskId}?cardId=${'0'.repeat(24)}`);
    expect(known.body.cards).toEqual([card]);
    expect(unknown.body.cards).toEqual([]);
  });

  test('lists no cards above the limit, but still the one that is asked for', async () => {
    const small = await startTestApp({ settings: { BULKCAST_POLL_CARDS: '10', BULKCAST_SYNC_CARDS: '0' } });
    const { issue, get, bulk } = createClient(small);
    const few = await issue(10);
    const many = await issue(11);
    expect(few.cards).toHaveLength(10);
    expect(many).toMatchObject({
      cards: null,
      issuedCount: 11,
      csvDownloadUrl: expect.stringContaining('/cards.csv?'),
    });
    const csv = await (await fetch(present(many.csvDownloadUrl))).text();
    const [id, cardNumber] = present(csv.split('\r\n')[11]).split(',');
    const { body } = await get<TaskStatus>(`${bulk}/${many.taskId}?cardId=${id}`);
    expect(body.cards).toEqual([{ id, cardNumber, lastFourDigits: cardNumber?.slice(-4) }]);
  });

  test('tells in one line that some cards could not be issued', async () => {
    const recipients = Array.from({ length: 60 }, (_, index) => ({
      customerEmail: index < 2 ? 'bad' : 'a@example.com',
    }));
    const { body } = await client.post<{ taskId: string }>(client.bulk, { initialValue: 5, recipients });
    const path = `${client.bulk}/${body.taskId}`;
    await expect
      .poll(async () => (await client.get<TaskStatus>(path)).body, { timeout: 10_000 })
      .toMatchObject({
        status: 'completed',
        issuedCount: 58,
        failedCount: 2,
        error: '2 of 60 cards could not be issued',
      });
  });

  test('answers 304 to whoever has the version already', async () => {
    const done = await client.issue(60);
    const path = `${client.bulk}/${done.taskId}`;
    const first = await client.get(path);
    const etag = present(first.headers.get('etag'));
    const again = await client.get(path, { headers: { ...app.project.headers, 'if-none-match': `"0", W/${etag}` } });
    expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag]);
    expect(again.headers.get('retry-after')).toBeNull();
    const older = await client.get(path, { headers: { ...app.project.headers, 'if-none-match': '"0"' } });
    expect(older.status).toBe(200);
  });

  test('sends a new link to whoever may hold one that has expired', async () => {
    const done = await client.issue(60);
    await app.app.db.transaction().execute(async (tx) => {
      // A final task cannot change, so its clock is turned back behind the guard's back.
      await sql`alter table tasks disable trigger guard_task`.execute(tx);
      await tx
        .updateTable('tasks')
        .set({ completed_at: new Date(Date.now() - 2 * 3600 * 1000) })
        .where('id', '=', done.taskId)
        .execute();
      await sql`alter table tasks enable trigger guard_task`.execute(tx);
    });
    const headers = { ...app.project.headers, 'if-none-match': '*' };
    // This gateway knows the task as it ended.
    const later = createClient(await startTestApp({ role: 'gateway', database: app.database }));
    expect((await later.get(`${client.bulk}/${done.taskId}`, { headers })).status).toBe(200);
  });

  test('answers 404 for a task that is unknown, of another program or no task id at all', async () => {
    const other = await createProgram(app.app.db, app.project.id, { name: 'Other', currency: 'EUR' });
    const done = await client.issue(60);
    const paths = [
      `${client.bulk}/${unknownTask}`,
      `${client.bulk}/nothing%00%2F`,
      `/v2/giftcards/programs/${other.id}/cards/bulk/${done.taskId}`,
    ];
    for (const path of paths) {
      const { status, body } = await client.get(path);
      expect([status, body]).toEqual([404, { detail: 'Task not found' }]);
    }
  });

  test('tells the program and the card that are not ids', async () => {
    const { status, body } = await client.get(`/v2/giftcards/programs/xyz/cards/bulk/${unknownTask}?cardId=A&cardId=b`);
    expect(status).toBe(422);
    checkIssuance('HTTPValidationError', body);
    const mismatch = {
      msg: "String should match pattern '^[0-9a-f]{24}$'",
      type: 'string_pattern_mismatch',
      ctx: { pattern: '^[0-9a-f]{24}$' },
    };
    expect(body).toEqual({
      detail: [
        { loc: ['path', 'programId'], input: 'xyz', ...mismatch },
        { loc: ['query', 'cardId'], input: 'b', ...mismatch },
      ],
    });
  });
});

async function countTasks(): Promise<number> {
  const { count } = await app.app.db
    .selectFrom('tasks')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}
