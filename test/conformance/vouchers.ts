import { expect } from 'vitest';
import { readBack, readVoucher, runAction } from '../support/actions.ts';
import type { TestApp } from '../support/gateway.ts';
import type { Scenario } from './walk.ts';

const discount = { type: 'AMOUNT', amount_off: 500 };
const count = 3000;
const numbers = Array.from({ length: count }, (_, index) => index);
const isBad = (index: number) => index % 100 === 7;
const failed = numbers.filter(isBad).length;
const done = count - failed;
const tooLong = (prefix: string, index: number) => `${prefix}${index}${'x'.repeat(300)}`;

async function importPlain(app: TestApp, prefix: string, metadata: object): Promise<string[]> {
  const codes = numbers.map((index) => `${prefix}-${index}`);
  const vouchers = codes.map((code) => ({ code, discount, metadata }));
  const { result } = await runAction(app, '/v1/vouchers/import', vouchers);
  expect(result.failed_count).toBe(0);
  return codes;
}

async function createCampaign(app: TestApp, name: string, rest: object = {}): Promise<void> {
  const body = JSON.stringify({ name, voucher: { type: 'DISCOUNT_VOUCHER', discount }, ...rest });
  const headers = { ...app.project.headers, 'content-type': 'application/json' };
  const response = await fetch(`${app.url}/v1/campaigns`, { method: 'POST', headers, body });
  if (response.status !== 200) throw new Error(await response.text());
}

async function fillCampaign(app: TestApp, name: string): Promise<string[]> {
  await createCampaign(app, name);
  const codes = numbers.map((index) => `${name}-${index}`);
  await runAction(
    app,
    `/v1/campaigns/${name}/import`,
    codes.map((code) => ({ code })),
  );
  return codes;
}

const listOf = (app: TestApp, campaign: string) =>
  readBack<{ total: number; vouchers: { code: string }[] }>(app, `/v1/vouchers?campaign=${campaign}&limit=100`);

/** The types of vouchers and campaigns. */
export const voucherScenarios: Readonly<Record<string, Scenario>> = {
  'VOUCHERS.IMPORT': async (app, prefix) => {
    const vouchers = numbers.map((index) => ({
      code: `${prefix}-${index}`,
      ...(isBad(index) ? {} : { discount }),
      metadata: { snake_case: index },
    }));
    return {
      mutation: 'importVouchers',
      input: { vouchers },
      rest: { path: '/v1/vouchers/import', status: 202, body: vouchers },
      done,
      failed,
      async effect() {
        expect(await readVoucher(app, `${prefix}-8`)).toMatchObject({ discount, metadata: { snake_case: 8 } });
        expect(await readVoucher(app, `${prefix}-7`)).toMatchObject({ code: 404 });
      },
    };
  },

  'VOUCHERS.IMPORT_CSV': async (app, prefix) => ({
    mutation: 'importVouchersCsv',
    input: {},
    csv: [
      'Code,Voucher Type,Discount Type,Value,Region',
      ...numbers.map((index) => `${prefix}-${index},${isBad(index) ? '' : 'DISCOUNT_VOUCHER'},AMOUNT,500,EMEA`),
    ].join('\n'),
    rest: { path: '/v1/vouchers/importCSV', status: 202 },
    done,
    failed,
    async effect() {
      expect(await readVoucher(app, `${prefix}-8`)).toMatchObject({ discount, metadata: { Region: 'EMEA' } });
    },
  }),

  'VOUCHERS.BULK_UPDATE': async (app, prefix) => {
    const codes = await importPlain(app, prefix, { kept: true });
    const vouchers = codes.map((code, index) => ({ code: isBad(index) ? `no ${code}` : code, metadata: { index } }));
    return {
      mutation: 'bulkUpdateVouchers',
      input: { vouchers },
      rest: { path: '/v1/vouchers/bulk/async', status: 202, body: vouchers },
      done,
      failed,
      async effect() {
        expect(await readVoucher(app, `${prefix}-8`)).toMatchObject({ metadata: { kept: true, index: 8 } });
      },
    };
  },

  'VOUCHERS.METADATA_UPDATE': async (app, prefix) => {
    const codes = (await importPlain(app, prefix, {})).map((code, index) => (isBad(index) ? `no ${code}` : code));
    const body = { codes, metadata: { season: 'winter' } };
    return {
      mutation: 'updateVouchersMetadata',
      input: body,
      rest: { path: '/v1/vouchers/metadata/async', status: 202, body },
      done,
      failed,
      async effect() {
        expect(await readVoucher(app, `${prefix}-8`)).toMatchObject({ metadata: { season: 'winter' } });
      },
    };
  },

  'VOUCHERS.METADATA_KEY_PURGE': async (app, prefix) => {
    await importPlain(app, prefix, { [prefix]: 1, kept: true });
    return {
      mutation: 'purgeVouchersMetadataKey',
      input: { key: prefix },
      rest: { path: '/v1/vouchers/metadata/purge/async', status: 202, body: { key: prefix } },
      done: count,
      failed: 0,
      async effect() {
        expect((await readVoucher(app, `${prefix}-8`)).metadata).toEqual({ kept: true });
      },
    };
  },

  'CAMPAIGN.VOUCHERS_IMPORT': async (app, prefix) => {
    await createCampaign(app, prefix);
    const vouchers = numbers.map((index) => ({
      code: isBad(index) ? tooLong(prefix, index) : `${prefix}-${index}`,
    }));
    return {
      mutation: 'importCampaignVouchers',
      input: { campaign_id: prefix, vouchers },
      rest: { path: `/v1/campaigns/${prefix}/import`, status: 202, body: vouchers },
      done,
      failed,
      async effect() {
        expect(await readVoucher(app, `${prefix}-8`)).toMatchObject({ campaign: prefix, discount });
        expect((await listOf(app, prefix)).total).toBe(done);
      },
    };
  },

  'CAMPAIGN.VOUCHERS_IMPORT_CSV': async (app, prefix) => {
    await createCampaign(app, prefix);
    return {
      mutation: 'importCampaignVouchersCsv',
      input: { campaign_id: prefix },
      csv: ['Code,Active', ...numbers.map((index) => `${prefix}-${index},${isBad(index) ? 'maybe' : 'FALSE'}`)].join(
        '\n',
      ),
      rest: { path: `/v1/campaigns/${prefix}/importCSV`, status: 200 },
      done,
      failed,
      async effect() {
        expect(await readVoucher(app, `${prefix}-8`)).toMatchObject({ campaign: prefix, active: false });
      },
    };
  },

  'CAMPAIGN.VOUCHERS_GENERATE': async (app, prefix) => {
    await createCampaign(app, prefix);
    const body = { code_config: { pattern: `${prefix}-########` } };
    return {
      mutation: 'generateCampaignVouchers',
      input: { campaign_id: prefix, vouchers_count: count, ...body },
      rest: { path: `/v1/campaigns/${prefix}/vouchers?vouchers_count=${count}`, status: 202, body },
      done: count,
      failed: 0,
      async effect() {
        const { total, vouchers } = await listOf(app, prefix);
        expect(total).toBe(count);
        for (const { code } of vouchers) expect(code.slice(prefix.length)).toMatch(/^-[0-9a-zA-Z]{8}$/);
      },
    };
  },

  'CAMPAIGN.VOUCHERS_UPDATE': async (app, prefix) => {
    await fillCampaign(app, prefix);
    const body = { expiration_date: '2099-01-01T00:00:00Z', description: 'changed' };
    return {
      mutation: 'updateCampaignVouchers',
      input: { campaign_id: prefix, ...body },
      rest: { method: 'PUT', path: `/v1/campaigns/${prefix}`, status: 200, body },
      done: count,
      failed: 0,
      async effect() {
        expect(await readVoucher(app, `${prefix}-8`)).toMatchObject({ expiration_date: '2099-01-01T00:00:00.000Z' });
        expect(await readBack(app, `/v1/campaigns/${prefix}`)).toMatchObject({
          description: 'changed',
          creation_status: 'DONE',
        });
      },
    };
  },

  'CAMPAIGN.VOUCHERS_DELETE': async (app, prefix) => {
    await fillCampaign(app, prefix);
    return {
      mutation: 'deleteCampaignVouchers',
      input: { campaign_id: prefix, force: true },
      rest: { method: 'DELETE', path: `/v1/campaigns/${prefix}?force=true`, status: 202 },
      done: count,
      failed: 0,
      async effect() {
        expect(await readVoucher(app, `${prefix}-8`)).toMatchObject({ code: 404 });
        expect(await readBack(app, `/v1/campaigns/${prefix}`)).toMatchObject({ code: 404, resource_type: 'campaign' });
      },
    };
  },

  'CAMPAIGNS.METADATA_KEY_PURGE': async (app, prefix) => {
    for (let index = 0; index < 40; index += 1) {
      await createCampaign(app, `${prefix}-${index}`, { metadata: { [prefix]: index, kept: true } });
    }
    return {
      mutation: 'purgeCampaignsMetadataKey',
      input: { key: prefix },
      rest: { path: '/v1/campaigns/metadata/purge/async', status: 202, body: { key: prefix } },
      done: 40,
      failed: 0,
      async effect() {
        expect((await readBack(app, `/v1/campaigns/${prefix}-8`)).metadata).toEqual({ kept: true });
      },
    };
  },
};
