import { beforeAll, expect, test } from 'vitest';
import { endedAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

/** What the official client of version 3 puts on the wire (section 6.1 of the contract); npm does not serve it any more. */

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

async function send(path: string, body: RequestInit['body'], contentType?: string) {
  const headers = { ...app.project.headers, ...(contentType && { 'content-type': contentType }) };
  const response = await fetch(`${app.url}${path}`, { method: 'POST', headers, ...(body != null && { body }) });
  const answer = (await response.json()) as { async_action_id: string; code: number; details: string; id: string };
  return { status: response.status, body: answer };
}

test.each(['products', 'customers', 'vouchers'])(
  '%s/bulk/async takes JSON without bytes: nothing to do',
  async (things) => {
    const { status, body } = await send(`/v1/${things}/bulk/async`, undefined, 'application/json');
    expect(status).toBe(202);
    const { operation_status, result } = await endedAction(app, body.async_action_id);
    expect([operation_status, result.done_count, result.errors]).toEqual(['SUCCESS', 0, []]);
  },
);

test.each(['products', 'customers', 'vouchers'])(
  '%s/metadata/async takes neither keys nor metadata',
  async (things) => {
    const { status, body } = await send(`/v1/${things}/metadata/async`, '{}', 'application/json');
    expect(status).toBe(202);
    expect((await endedAction(app, body.async_action_id)).operation_status).toBe('SUCCESS');
  },
);

test('adds a voucher to a campaign for a body that is a bare number', async () => {
  const campaign = {
    name: 'numbers',
    voucher: { type: 'DISCOUNT_VOUCHER', discount: { type: 'AMOUNT', amount_off: 1 } },
  };
  await send('/v1/campaigns', JSON.stringify(campaign), 'application/json');
  const { status, body } = await send('/v1/campaigns/numbers/vouchers', '5', 'application/json');
  expect([status, body]).toMatchObject([200, { code: expect.any(String), object: 'voucher' }]);
});

test('reads a campaign whose name has a slash, a space and an @ in it', async () => {
  const name = 'a/b c@d%e';
  const voucher = { type: 'DISCOUNT_VOUCHER', discount: { type: 'AMOUNT', amount_off: 1 } };
  await send('/v1/campaigns', JSON.stringify({ name, voucher }), 'application/json');
  const response = await fetch(`${app.url}/v1/campaigns/${encodeURIComponent(name)}`, { headers: app.project.headers });
  expect([response.status, await response.json()]).toMatchObject([200, { name }]);
});

const csv = 'Code,Voucher Type,Discount Type,Value\nbuffered,DISCOUNT_VOUCHER,AMOUNT,100\n';

/** A form as a Buffer makes it: without a file name, and of no type that says CSV. */
function bareForm(text: string, type?: string): string {
  const contentType = type === undefined ? '' : `Content-Type: ${type}\r\n`;
  return `--edge\r\nContent-Disposition: form-data; name="file"\r\n${contentType}\r\n${text}\r\n--edge--\r\n`;
}

test.each([
  ['a Buffer', 'application/octet-stream'],
  ['a text field', undefined],
])('takes a CSV file that comes as %s', async (_what, type) => {
  const form = bareForm(csv.replace('buffered', `code ${type}`), type);
  const { status, body } = await send('/v1/vouchers/importCSV', form, 'multipart/form-data; boundary=edge');
  expect(status).toBe(202);
  expect((await endedAction(app, body.async_action_id)).result).toMatchObject({ done_count: 1, failed: [] });
});

test('says what is wrong with the dump of a stream that comes as the file', async () => {
  const dump = JSON.stringify({ fd: null, path: '/tmp/vouchers.csv', flags: 'r' });
  const { status, body } = await send('/v1/vouchers/importCSV', bareForm(dump), 'multipart/form-data; boundary=edge');
  expect([status, body.code]).toEqual([400, 400]);
  expect(body.details.length).toBeGreaterThan(10);
});
