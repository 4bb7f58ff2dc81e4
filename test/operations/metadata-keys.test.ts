import { beforeAll, expect, test } from 'vitest';
import { ask } from '../graphql/client.ts';
import { readBack, readCustomer, readVoucher, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { runMutation } from '../support/mutations.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

/** As JSON has it: a literal would set the prototype. */
const text = '{"__proto__":{"admin":true},"constructor":"b","nested":{"__proto__":[1]}}';
const metadata = JSON.parse(text) as object;
const gift = { amount: 100 };

test('keys named like parts of every object are ordinary metadata over REST', async () => {
  await runAction(app, '/v1/vouchers/import', [{ code: 'REST', gift, metadata }]);
  expect(await metadataOf('REST')).toBe(sorted(text));
});

test('they are over GraphQL', async () => {
  await runMutation(app, 'importVouchers', { vouchers: [{ code: 'VARIABLE', gift, metadata }] });
  expect(await metadataOf('VARIABLE')).toBe(sorted(text));
});

test('they are in a document that holds its values itself', async () => {
  const literal = '{ __proto__: { admin: true }, constructor: "b", nested: { __proto__: [1] } }';
  await run(`importVouchers(input: { vouchers: [{ code: "LITERAL", gift: { amount: 1 }, metadata: ${literal} }] })`);
  await expect.poll(() => metadataOf('LITERAL')).toBe(sorted(text));
});

test('they are where metadata is merged', async () => {
  await runAction(app, '/v1/vouchers/import', [{ code: 'MERGED', gift, metadata: { own: 1 } }]);
  const changes = [JSON.parse('{"__proto__":1}'), { constructor: 'b' }] as object[];
  await runMutation(app, 'bulkUpdateVouchers', {
    vouchers: changes.map((change) => ({ code: 'MERGED', metadata: change })),
  });
  expect(await metadataOf('MERGED')).toBe(sorted('{"own":1,"constructor":"b","__proto__":1}'));
});

test('they are of customers, orders and products', async () => {
  await runMutation(app, 'bulkUpdateCustomers', { customers: [{ sourceId: 'c-1', metadata }] });
  await runMutation(app, 'updateCustomersMetadata', { sourceIds: ['c-2'], metadata });
  await runAction(app, '/v1/orders/import', [{ source_id: 'o-1', amount: 1, metadata }]);
  const read = [await readCustomer(app, 'c-1'), await readCustomer(app, 'c-2'), await readBack(app, '/v1/orders/o-1')];
  expect(read.map((record) => sorted(JSON.stringify(record.metadata)))).toEqual([text, text, text].map(sorted));
});

test('what a metadata schema cannot hold is refused', async () => {
  const { defineMetadataSchema } = await run(
    'defineMetadataSchema(input: { resource: "voucher", definitions: [{ key: "__proto__", type: STRING }] })',
  );
  expect(defineMetadataSchema).toMatchObject({ userErrors: [{ field: ['input', 'definitions', '0', 'key'] }] });
});

test('a field called __proto__ is none that an input has', async () => {
  const voucher = JSON.parse('{"code":"P","__proto__":{"gift":{"amount":1}}}') as object;
  const started = runMutation(app, 'importVouchers', { vouchers: [voucher] });
  await expect(started).rejects.toThrow('not to include unknown field \\"__proto__\\"');
});

async function run(field: string): Promise<Record<string, unknown>> {
  const { data, errors } = await ask<Record<string, unknown>>(app, `mutation { ${field} { userErrors { field } } }`);
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}

async function metadataOf(code: string): Promise<string> {
  const { metadata } = await readVoucher(app, code);
  return sorted(JSON.stringify(metadata ?? null));
}

/** Postgres has an order of its own for keys. */
function sorted(json: string): string {
  const entries = Object.entries(JSON.parse(json) as object).map(([key, value]) => [key, JSON.stringify(value)]);
  return JSON.stringify(entries.sort());
}
