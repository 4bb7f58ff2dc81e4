import { beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../graphql/client.ts';
import { csvForm, endedAction, readVoucher } from '../support/actions.ts';
import { minimalVoucher } from '../support/campaigns.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';
import { type Client, createClient } from './client.ts';

/** JSON writes it so, and reads a number that JSON cannot write. */
const huge = '1e400';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp();
  client = createClient(app);
  await client.post('/v1/campaigns', { name: 'x', voucher: minimalVoucher });
  for (const path of ['customers', 'products', 'orders', 'products/x/skus']) {
    await client.post(`/v1/${path}`, { source_id: 'x' });
  }
});

const headers = () => ({ ...app.project.headers, 'content-type': 'application/json' });

describe('REST', () => {
  const metadata = `"metadata":{"deep":[{"n":${huge}}]}`;
  const deep = '.metadata.deep[0].n';
  const item = `[{"code":"a","metadata":{}},{"code":"b",${metadata}}]`;
  const sourced = `[{"source_id":"a",${metadata}}]`;
  test.each([
    ['POST', '/v1/vouchers/import', item, `[1]${deep}`],
    ['POST', '/v1/vouchers/bulk/async', item, `[1]${deep}`],
    ['POST', '/v1/vouchers/metadata/async', `{"codes":["a"],${metadata}}`, deep],
    ['POST', '/v1/campaigns/x/import', item, `[1]${deep}`],
    ['POST', '/v1/campaigns', `{"name":"y",${metadata}}`, deep],
    ['PUT', '/v1/campaigns/x', `{${metadata}}`, deep],
    ['POST', '/v1/campaigns/x/vouchers', `{${metadata}}`, deep],
    ['POST', '/v1/customers', `{"source_id":"y",${metadata}}`, deep],
    ['PUT', '/v1/customers/x', `{${metadata}}`, deep],
    ['POST', '/v1/customers/bulk/async', sourced, `[0]${deep}`],
    ['POST', '/v1/customers/metadata/async', `{"source_ids":["a"],${metadata}}`, deep],
    ['POST', '/v1/products', `{${metadata}}`, deep],
    ['PUT', '/v1/products/x', `{"price":-${huge}}`, '.price'],
    ['POST', '/v1/products/bulk/async', sourced, `[0]${deep}`],
    ['POST', '/v1/products/metadata/async', `{"source_ids":["a"],${metadata}}`, deep],
    ['POST', '/v1/products/x/skus', `{"attributes":{"size":${huge}}}`, '.attributes.size'],
    ['PUT', '/v1/products/x/skus/x', `{${metadata}}`, deep],
    ['POST', '/v1/orders', `{${metadata}}`, deep],
    ['PUT', '/v1/orders/x', `{${metadata}}`, deep],
    ['POST', '/v1/orders/import', sourced, `[0]${deep}`],
  ])('%s %s refuses it', async (method, path, body, place) => {
    const answer = await client.call(method, path, { headers: headers(), body });
    const details = `Property ${place} should be a finite number`;
    expect([answer.status, answer.body]).toMatchObject([400, { code: 400, key: 'invalid_payload', details }]);
  });

  test('the issuance refuses it', async () => {
    const answer = await client.call('POST', client.bulk, {
      headers: headers(),
      body: `{"initialValue":${huge},"count":1}`,
    });
    expect(answer.status).toBe(422);
    expect(answer.body.detail).toEqual([
      { loc: ['body', 'initialValue'], type: expect.any(String), msg: expect.any(String), input: null },
    ]);
  });
});

describe('GraphQL', () => {
  const field = 'importVouchers(input: { vouchers: [{ code: "g", gift: { amount: 1 }, metadata: $given }] })';

  test.each([
    ['a variable', `mutation ($given: JSON) { ${field} { task { id } } }`, `{"given":{"n":${huge}}}`],
    ['a literal', `mutation { ${field.replace('$given', `{ n: [${huge}] }`)} { task { id } } }`, '{}'],
  ])('refuses it in %s', async (_where, query, variables) => {
    const body = `{"query":${JSON.stringify(query)},"variables":${variables}}`;
    const answer = await client.call('POST', '/graphql', { headers: headers(), body });
    expect(JSON.stringify(answer.body)).toContain('Expected JSON: a number must be finite');
    expect((await ask<{ bulkTasks: { nodes: object[] } }>(app, '{ bulkTasks { nodes { __typename } } }')).data).toEqual(
      {
        bulkTasks: { nodes: [] },
      },
    );
  });
});

test('a CSV cell that should be a number is refused like any other text', async () => {
  await defineMetadata(app, 'voucher', { weight: { type: 'number', optional: true } });
  const body = csvForm(`Code,Voucher Type,Value,weight\nHEAVY,GIFT_VOUCHER,1,${huge}\nLIGHT,GIFT_VOUCHER,1,1e3\n`);
  const started = await client.call<{ async_action_id: string }>('POST', '/v1/vouchers/importCSV', { body });
  const { result } = await endedAction(app, started.body.async_action_id);
  expect(result.failed).toEqual([
    { code: 'HEAVY', row: 1, reason: `weight: must be a number (actual value is '${huge}')` },
  ]);
  expect(await readVoucher(app, 'LIGHT')).toMatchObject({ metadata: { weight: 1000 } });
});
