import { connect } from 'node:net';
import { beforeAll, expect, test } from 'vitest';
import { checkAsyncAction, checkResult } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { type Answer, type Client, createClient, sendRaw } from './client.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp({ settings: { BULKCAST_MAX_BODY_BYTES: '2000000', BULKCAST_UPLOAD_STALL_MS: '500' } });
  client = createClient(app);
});

const header =
  'Code,Voucher Type,Active,Start Date,Expiration Date,Discount Type,Value,Category,Redemption Limit,Additional Info,Region';

type Started = Answer<{ async_action_id: string; details: string }>;

/** The official clients write the file first and its options after it. */
function upload(content: string | Uint8Array<ArrayBuffer>, options: Record<string, string> = {}): Promise<Started> {
  const form = new FormData();
  form.append('file', new Blob([content]), 'vouchers.csv');
  for (const [name, value] of Object.entries(options)) form.append(name, value);
  return client.call('POST', '/v1/vouchers/importCSV', { body: form });
}

test('imports a file and tells the rows that were refused', async () => {
  const rows = [
    'CSV-1,GIFT_VOUCHER,TRUE,,,,500,,,,North',
    'CSV-2,,TRUE,,,,500,,,,',
    'CSV-3,DISCOUNT_VOUCHER,,,,PERCENT,15,,3,,',
  ];
  const { status, body } = await upload([header, ...rows].join('\n'));
  expect(status).toBe(202);
  checkAsyncAction('VouchersImportCsvCreateResponseBody', body);
  const action = await client.ended(body.async_action_id);
  expect(action).toMatchObject({ type: 'VOUCHERS.IMPORT_CSV', status: 'DONE', operation_status: 'SUCCESS' });
  checkResult('VOUCHERS.IMPORT_CSV', action.result);
  expect(action.result).toEqual({
    message: '2 voucher(s) imported successfully, 1 failed.',
    failed: [{ code: 'CSV-2', row: 2, reason: 'Voucher Type is required' }],
    done_count: 2,
    failed_count: 1,
  });
});

test.each(['true', 'false'])('takes webhooks_enable=%s after the file', async (value) => {
  const { status, body } = await upload(`${header}\n`, { webhooks_enable: value });
  expect(status).toBe(202);
  const task = await app.app.db
    .selectFrom('tasks')
    .select('parameters')
    .where('id', '=', body.async_action_id)
    .executeTakeFirstOrThrow();
  expect(task.parameters).toMatchObject({ webhooksEnable: value === 'true' });
});

test('takes a file part without a file name, as a Buffer is sent', async () => {
  const form = new FormData();
  form.append('file', `${header}\nPLAIN,GIFT_VOUCHER,,,,,500,,,,`);
  const { status, body } = await client.call<{ async_action_id: string }>('POST', '/v1/vouchers/importCSV', {
    body: form,
  });
  expect(status).toBe(202);
  expect((await client.ended(body.async_action_id)).result).toMatchObject({ done_count: 1 });
});

test('refuses a form without a file', async () => {
  const empty = new FormData();
  empty.append('webhooks_enable', 'true');
  const elsewhere = new FormData();
  elsewhere.append('document', new Blob([header]), 'vouchers.csv');
  for (const body of [empty, elsewhere]) {
    const answer = await client.call('POST', '/v1/vouchers/importCSV', { body });
    expect(answer.status).toBe(400);
    checkAsyncAction('Error', answer.body);
    expect(answer.body).toMatchObject({
      key: 'invalid_payload',
      message: 'Invalid payload',
      details: "Payload should have required property 'file'",
    });
  }
});

test.each([
  ['nothing', '', /the file is empty/],
  ['no header', 'CSV-1,GIFT_VOUCHER\nCSV-2,GIFT_VOUCHER', /the column Code is missing/],
  ['a dump of a stream, as one official client sends it', '{"fd":null,"path":"vouchers.csv"}', /cannot be read/],
  ['a quote that is never closed', `${header}\n"A,GIFT_VOUCHER,,,,,500,,,,\n`, /quote/],
  ['another encoding', Buffer.from(`${header}\nZo\xeb,GIFT_VOUCHER,,,,,500,,,,\n`, 'latin1'), /not UTF-8/],
  ['one row of more than a megabyte', `${header}\nLONG,GIFT_VOUCHER,,,,,500,,,${'x'.repeat(1_500_000)},\n`, /too long/],
])('refuses a file with %s, and starts nothing', async (_name, content, details) => {
  const before = await countTasks();
  const { status, body } = await upload(typeof content === 'string' ? content : new Uint8Array(content));
  expect(status).toBe(400);
  checkAsyncAction('Error', body);
  expect(body).toMatchObject({
    key: 'invalid_payload',
    message: 'Invalid payload',
    details: expect.stringMatching(details),
  });
  expect(await countTasks()).toBe(before);
});

test('answers 413 in the other shape to a file that is too large', async () => {
  const { status, body } = await upload(`${header}\n${'A,GIFT_VOUCHER,,,,,5,,,,\n'.repeat(100_000)}`);
  expect(status).toBe(413);
  expect(body).toEqual({
    statusCode: 413,
    error: 'Request Entity Too Large',
    message: 'Payload content length greater than maximum allowed: 2000000',
  });
});

test('starts one task for one Idempotency-Key, also with a file', async () => {
  const form = (code: string) => {
    const parts = new FormData();
    parts.append('file', new Blob([`${header}\n${code},GIFT_VOUCHER,,,,,500,,,,`]), 'vouchers.csv');
    return parts;
  };
  const headers = { ...app.project.headers, 'idempotency-key': 'file' };
  const first = await client.call('POST', '/v1/vouchers/importCSV', { body: form('SAME'), headers });
  const again = await client.call('POST', '/v1/vouchers/importCSV', { body: form('SAME'), headers });
  const other = await client.call('POST', '/v1/vouchers/importCSV', { body: form('OTHER'), headers });
  expect([first.status, again.status, other.status]).toEqual([202, 202, 422]);
  expect(again.body).toEqual(first.body);
});

test('takes a form and nothing else', async () => {
  const json = await client.post('/v1/vouchers/importCSV', [{}]);
  const text = await client.post('/v1/vouchers/importCSV', header, { 'content-type': 'text/csv' });
  const nothing = await client.post('/v1/vouchers/importCSV');
  for (const { status, body } of [json, text, nothing]) {
    expect([status, body]).toMatchObject([415, { code: 415, key: 'unsupported_media_type' }]);
    checkAsyncAction('Error', body);
  }
});

/** The head of an upload of so many bytes, and the beginning of its file. */
function begin(length: number, to: TestApp = app): string {
  const { 'x-app-id': id, 'x-app-token': token } = to.project.headers;
  return (
    `POST /v1/vouchers/importCSV HTTP/1.1\r\nHost: x\r\nX-App-Id: ${id}\r\nX-App-Token: ${token}\r\nConnection: close\r\n` +
    `Content-Type: multipart/form-data; boundary=b\r\nContent-Length: ${length}\r\n\r\n` +
    `--b\r\nContent-Disposition: form-data; name="file"; filename="v.csv"\r\n\r\n${header}\n`
  );
}

test('answers 408 to an upload that stalls, and keeps nothing of it', async () => {
  const before = await countTasks();
  const answer = await sendRaw(app.url, begin(100_000));
  expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  expect(answer).toContain('"key":"request_timeout"');
  expect(await countTasks()).toBe(before);
});

test('answers 400 to a form that breaks off', async () => {
  const text = begin(0);
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  const answer = await sendRaw(app.url, text.replace('Content-Length: 0', `Content-Length: ${body.length}`));
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('"key":"invalid_payload"');
});

test('takes so many uploads at a time, and frees the place of a client that went away', async () => {
  const narrow = await startTestApp({ settings: { BULKCAST_MAX_UPLOADS: '1' } });
  const other = createClient(narrow);
  const form = new FormData();
  form.append('file', new Blob([`${header}\n`]), 'vouchers.csv');
  const upload = () => other.call('POST', '/v1/vouchers/importCSV', { body: form });
  const { hostname, port } = new URL(narrow.url);
  // One of the uploads that ask for the place may have it when this one comes.
  const hold = () => {
    const held = { socket: connect(Number(port), hostname), isRefused: false };
    held.socket.once('data', () => {
      held.isRefused = true;
    });
    held.socket.on('error', () => undefined).write(begin(100_000, narrow));
    return held;
  };
  let held = hold();
  const ask = async () => {
    if (held.isRefused) held = hold();
    const answer = await upload();
    return answer.status === 503 ? answer : undefined;
  };
  const busy = await waitFor(ask, { message: 'the only place is taken' });
  expect(busy?.headers.get('retry-after')).toBe('1');
  checkAsyncAction('Error', busy?.body);
  const before = await countTasks(narrow);
  held.socket.destroy();
  await waitFor(() => upload().then(({ status }) => status === 202), { message: 'the place is free again' });
  expect(await countTasks(narrow)).toBe(before + 1);
  expect(narrow.logs.filter(({ level }) => level === 'error')).toEqual([]);
});

async function countTasks(of: TestApp = app): Promise<number> {
  const { count } = await of.app.db
    .selectFrom('tasks')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}
