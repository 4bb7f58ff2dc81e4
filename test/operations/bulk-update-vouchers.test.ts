import { beforeAll, expect, test } from 'vitest';
import { readReport, readVoucher, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata, runMutation } from '../support/mutations.ts';

let app: TestApp;
const path = '/v1/vouchers/bulk/async';
const gift = { amount: 100 };

beforeAll(async () => {
  app = await startTestApp();
});

const create = (metadata: object, ...codes: string[]) =>
  runAction(
    app,
    '/v1/vouchers/import',
    codes.map((code) => ({ code, gift, metadata })),
  );

test('merges metadata by key, keeps null, and leaves everything else alone', async () => {
  await create({ region: 'EMEA', nested: { a: 1 } }, 'M-1');
  const action = await runAction(app, path, [
    { code: 'M-1', metadata: { nested: { b: 2 }, gone: null }, active: false },
  ]);
  expect(action).toMatchObject({ status: 'DONE', operation_status: 'SUCCESS', type: 'VOUCHERS.BULK_UPDATE' });
  expect(action.result).toEqual({
    done_count: 1,
    failed_count: 0,
    errors: [],
    reports: [expect.stringContaining(action.id)],
    reports_available_till: expect.any(String),
  });
  expect(await readVoucher(app, 'M-1')).toMatchObject({
    metadata: { region: 'EMEA', nested: { b: 2 }, gone: null },
    active: true,
    gift: { amount: 100 },
    updated_at: expect.any(String),
  });
});

test('updates thousands of vouchers, refuses the bad ones, and reports each', async () => {
  const codes = Array.from({ length: 5_000 }, (_, index) => `BULK-${index}`);
  await create({ campaign: 'spring' }, ...codes);
  const items = codes.map((code, index) => ({
    code: index % 10 === 3 ? `${code}-unknown` : code,
    metadata: { index },
  }));
  const action = await runMutation(app, 'bulkUpdateVouchers', { vouchers: items });
  expect(action.result).toMatchObject({ done_count: 4_500, failed_count: 500 });
  expect(action.result.errors[0]).toEqual({
    key: 'not_found',
    message: 'Resource not found',
    details: 'Cannot find voucher with id BULK-3-unknown',
    code: 'BULK-3-unknown',
  });
  expect(await readReport(action)).toEqual(
    items.map(({ code }) => (code.endsWith('unknown') ? `${code},false,false` : `${code},true,true`)),
  );
  expect(await readVoucher(app, 'BULK-4999')).toMatchObject({ metadata: { campaign: 'spring', index: 4_999 } });
  expect(await readVoucher(app, 'BULK-3')).toMatchObject({ metadata: { campaign: 'spring' }, updated_at: null });
});

test('reports a voucher that has the metadata already as found and not updated', async () => {
  await create({ a: 1 }, 'SAME');
  const action = await runAction(app, path, [{ code: 'SAME', metadata: { a: 1 } }]);
  expect(action.result).toMatchObject({ done_count: 1, failed_count: 0 });
  expect(await readReport(action)).toEqual(['SAME,true,false']);
  expect(await readVoucher(app, 'SAME')).toMatchObject({ updated_at: null });
});

test('of a code that stands twice, the later value of a key is written', async () => {
  await create({}, 'TWICE');
  const { result } = await runAction(app, path, [
    { code: 'TWICE', metadata: { a: 1, b: 1 } },
    { code: 'TWICE', metadata: { a: 2 } },
  ]);
  expect(result.done_count).toBe(2);
  expect(await readVoucher(app, 'TWICE')).toMatchObject({ metadata: { a: 2, b: 1 } });
});

test.each([
  ['no code', { metadata: {} }, '', "code: must be a string, property is required (actual value is 'undefined')"],
  [
    'no metadata',
    { code: 'B-1' },
    'B-1',
    "metadata: must be an object, property is required (actual value is 'undefined')",
  ],
  ['metadata that is text', { code: 'B-1', metadata: 'x' }, 'B-1', "metadata: must be an object (actual value is 'x')"],
  ['NUL', { code: 'B-1', metadata: { a: '\0' } }, 'B-1', 'metadata: must not contain NUL or half a surrogate pair'],
])('refuses an item with %s and updates the others', async (what, item, code, details) => {
  await create({}, 'B-1', `GOOD ${what}`);
  const good = { code: `GOOD ${what}`, metadata: { seen: true } };
  const { result } = await runAction(app, path, [item, good]);
  expect(result.errors).toEqual([{ key: 'invalid_payload', message: 'Invalid payload', details, code }]);
  expect(await readVoucher(app, good.code)).toMatchObject({ metadata: { seen: true } });
});

test('refuses metadata that does not fit the schema, but asks no required keys of a voucher that exists', async () => {
  const other = { ...app, project: await app.createProject() };
  await runAction(other, '/v1/vouchers/import', [
    { code: 'S-1', gift },
    { code: 'S-2', gift },
  ]);
  await defineMetadata(other, 'voucher', {
    unit: { type: 'number', eq: [1, 2] },
    shop: { type: 'string', optional: false },
  });
  const { result } = await runAction(other, path, [
    { code: 'S-1', metadata: { unit: 'EUR', shop: null } },
    { code: 'S-2', metadata: { unit: 2 } },
  ]);
  expect(result).toMatchObject({ done_count: 1, failed_count: 1 });
  expect(result.errors).toEqual([
    {
      key: 'metadata_validation_failed',
      message: 'Metadata validation failed',
      details:
        "unit: must be a number, must be equal to one of 1,2 (actual value is 'EUR'); shop: must be a string, property is required (actual value is 'null')",
      code: 'S-1',
    },
  ]);
  expect(await readVoucher(other, 'S-2')).toMatchObject({ metadata: { unit: 2 } });
});

test('two updates of the same vouchers in opposite order both end', async () => {
  const codes = Array.from({ length: 3_000 }, (_, index) => `RACE-${index}`);
  await create({}, ...codes);
  const items = (key: string) => codes.map((code) => ({ code, metadata: { [key]: 1 } }));
  const actions = await Promise.all([runAction(app, path, items('a')), runAction(app, path, items('b').toReversed())]);
  expect(actions.map(({ result }) => result.done_count)).toEqual([3_000, 3_000]);
  expect(await readVoucher(app, 'RACE-7')).toMatchObject({ metadata: { a: 1, b: 1 } });
});

test.each([
  ['no bytes', undefined],
  ['an empty list', []],
])('succeeds at once for %s', async (_what, body) => {
  const { status, result } = await runAction(app, path, body);
  expect({ status, result }).toMatchObject({ status: 'DONE', result: { done_count: 0, failed_count: 0, errors: [] } });
});

test('does not touch the vouchers of another project', async () => {
  const other = { ...app, project: await app.createProject() };
  await create({}, 'MINE');
  const { result } = await runAction(other, path, [{ code: 'MINE', metadata: { theirs: true } }]);
  expect(result.failed_count).toBe(1);
  expect(await readVoucher(app, 'MINE')).toMatchObject({ metadata: {} });
});

test('asks the schema of campaigns for a campaign voucher, unless its campaign uses that of vouchers', async () => {
  const other = { ...app, project: await app.createProject() };
  await defineMetadata(other, 'voucher', { unit: { type: 'number' } });
  await defineMetadata(other, 'campaign', { unit: { type: 'string' } });
  await addToCampaign(other, 'OF-CAMPAIGN', false);
  await addToCampaign(other, 'OF-VOUCHERS', true);
  const codes = ['OF-CAMPAIGN', 'OF-VOUCHERS'];
  const update = (unit: unknown) =>
    runAction(
      other,
      path,
      codes.map((code) => ({ code, metadata: { unit } })),
    );
  expect((await update('EUR')).result.errors).toMatchObject([{ code: 'OF-VOUCHERS' }]);
  expect((await update(1)).result.errors).toMatchObject([{ code: 'OF-CAMPAIGN' }]);
});

async function addToCampaign({ app: { db }, project }: TestApp, code: string, usesVoucherSchema: boolean) {
  const shared = { project_id: project.id, metadata: '{}' };
  await db
    .insertInto('campaigns')
    .values({
      ...shared,
      id: `camp_${code}`,
      name: code,
      campaign_type: 'GIFT_VOUCHERS',
      type: 'STATIC',
      voucher: '{}',
      use_voucher_metadata_schema: usesVoucherSchema,
      creation_status: 'DONE',
      vouchers_generation_status: 'DONE',
    })
    .execute();
  await db
    .insertInto('vouchers')
    .values({ ...shared, id: `v_${code}`, code, type: 'GIFT_VOUCHER', gift_amount: 1, campaign_id: `camp_${code}` })
    .execute();
}
