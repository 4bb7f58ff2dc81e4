import { beforeAll, expect, test } from 'vitest';
import type { VoucherList } from '../../src/rest/async-action/shapes.ts';
import { readBack, readVoucher, runAction } from '../support/actions.ts';
import { checkAsyncAction } from '../support/contracts.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
  await runAction(
    app,
    '/v1/vouchers/import',
    Array.from({ length: 25 }, (_, index) => ({
      code: `L-${String(index).padStart(2, '0')}`,
      gift: { amount: 1 },
      category: index % 2 ? 'odd' : 'even',
    })),
  );
  await runAction(app, '/v1/vouchers/import', [{ code: 'LAST', gift: { amount: 1 } }]);
  await app.app.db.updateTable('vouchers').set({ deleted_at: new Date() }).where('code', '=', 'L-24').execute();
  await addLoyaltyCard();
});

async function addLoyaltyCard(): Promise<void> {
  const { db } = app.app;
  const status = 'DONE' as const;
  await db
    .insertInto('campaigns')
    .values({
      id: 'camp_1',
      project_id: app.project.id,
      name: 'Points',
      campaign_type: 'LOYALTY_PROGRAM',
      type: 'STATIC',
      voucher: '{}',
      metadata: '{}',
      creation_status: status,
      vouchers_generation_status: status,
    })
    .execute();
  await db
    .insertInto('vouchers')
    .values({
      id: 'v_1',
      project_id: app.project.id,
      code: 'CARD',
      type: 'LOYALTY_CARD',
      loyalty_points: 7,
      campaign_id: 'camp_1',
      metadata: '{}',
      created_at: new Date('2020-01-01'),
    })
    .execute();
}

const list = async (query: string) => {
  const body = await readBack<VoucherList>(app, `/v1/vouchers?${query}`);
  return { total: body.total, codes: body.vouchers?.map(({ code }) => code), body };
};

test('lists the newest first, ten to a page, without those in the bin', async () => {
  const { total, codes, body } = await list('');
  checkAsyncAction('VouchersListResponseBody', body);
  expect({ total, first: codes?.[0], length: codes?.length }).toEqual({ total: 26, first: 'LAST', length: 10 });
  expect((await list('limit=20&page=2')).codes).toHaveLength(6);
  expect((await list('page=99')).codes).toEqual([]);
});

test('sorts by what it is told to', async () => {
  expect((await list('order=code&limit=2')).codes).toEqual(['CARD', 'L-00']);
  expect((await list('order=-code&limit=2')).codes).toEqual(['LAST', 'L-23']);
  expect((await list('order=created_at&limit=1')).codes).toEqual(['CARD']);
  expect((await list('order=-updated_at&limit=1')).total).toBe(26);
});

test.each([
  ['category=odd', 12],
  ['campaign_id=camp_1', 1],
  ['campaign=Points', 1],
  ['campaign_id=camp_2', 0],
  ['code=L-03', 1],
  ['code=L-24', 0],
  ['ids=L-03&ids=v_1', 2],
  ['ids=L-03,v_1', 2],
  ['code=a%00b', 0],
  [`${encodeURIComponent('created_at[before]')}=2021-01-01`, 1],
  ['created_at[after]=2021-01-01&category=even', 12],
])('filters by %s', async (query, total) => {
  expect((await list(query)).total).toBe(total);
});

test.each([
  ['limit=0', 'Property .limit cannot be lower than 1'],
  ['limit=101', 'Property .limit cannot be greater than 100'],
  ['page=x', 'Property .page should be integer'],
  ['order=name', 'Property .order must be equal to one of created_at,-created_at,updated_at,-updated_at,code,-code'],
  ['code=a&code=b', 'Property .code should be string'],
  ['created_at[before]=soon', 'Property .created_at[before] cannot be recognized as a ISO-8601 compliant date'],
  ['customer=c', 'Property .customer is not supported'],
])('refuses %s', async (query, details) => {
  const body = await readBack(app, `/v1/vouchers?${query}`);
  expect(body).toMatchObject({ code: 400, key: 'invalid_query_params', details });
});

test('shows the campaign and the points of a loyalty card', async () => {
  const voucher = await readVoucher(app, 'CARD');
  checkAsyncAction('VouchersGetResponseBody', voucher);
  expect(voucher).toMatchObject({
    campaign: 'Points',
    campaign_id: 'camp_1',
    gift: null,
    discount: null,
    loyalty_card: { points: 7, balance: 7, pending_points: 0 },
  });
});

test('does not find a voucher in the bin, whose code stays taken', async () => {
  expect(await readVoucher(app, 'L-24')).toMatchObject({ code: 404, resource_type: 'voucher' });
  const json = await runAction(app, '/v1/vouchers/import', [{ code: 'L-24', gift: { amount: 1 } }]);
  expect(json.result.failed).toEqual([{ code: 'L-24', reason: 'Duplicated voucher exists with id L-24' }]);
  const csv = await runAction(app, '/v1/vouchers/importCSV', 'Code,Voucher Type,Value\nL-24,GIFT_VOUCHER,5\n');
  const reason = 'Voucher L-24 is deleted, and its code stays taken';
  expect(csv.result.failed).toEqual([{ code: 'L-24', row: 1, reason }]);
});
