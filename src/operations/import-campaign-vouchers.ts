import { z } from 'zod';
import { beginningWork, importIntoCampaign, refuseAll } from '../domain/campaign-imports.ts';
import { metadataResourceOf } from '../domain/campaign-input.ts';
import { campaignVoucherInput, voucherMaker } from '../domain/campaign-voucher-input.ts';
import type { CampaignVoucherRecord } from '../domain/campaign-vouchers.ts';
import { beginCampaignAgain, lockItsCampaign } from '../domain/campaign-work.ts';
import { endCampaignWork, failCampaignWork, lockCampaign, requireCampaign } from '../domain/campaigns.ts';
import { type MetadataCheck, readMetadataCheck } from '../domain/metadata-schemas.ts';
import { failureOf } from '../domain/reasons.ts';
import { voucherRecords } from '../domain/record-kinds.ts';
import { findTakenCodes } from '../domain/vouchers.ts';
import { badInput } from '../errors.ts';
import { id, isStorable, itemList } from '../tasks/input.ts';
import { type Chunk, defineOperation, type Failure } from '../tasks/operation.ts';

type Item = Record<string, unknown>;

const input = z.object({
  campaign_id: id("The campaign's id or name."),
  vouchers: itemList(campaignVoucherInput, 'The vouchers; what they leave out, the campaign gives.'),
});
const parameters = z.object({ campaignId: z.string() });

const compiledInput = z.compile(campaignVoucherInput);

/** CAMPAIGN.VOUCHERS_IMPORT: creates vouchers in a campaign. Refused as a whole when a code is missing or exists. */
export const importCampaignVouchers = defineOperation<z.infer<typeof input>, Item>({
  name: 'campaigns.vouchers_import',
  model: 'ASYNC_ACTION',
  actionType: 'CAMPAIGN.VOUCHERS_IMPORT',
  result: { family: 'IMPORT', noun: 'voucher', failure: { key: 'code', row: false } },
  chunkSize: 2_000,
  mutation: {
    name: 'importCampaignVouchers',
    description: 'Creates vouchers in a campaign. Refused as a whole when a code is missing or exists already.',
  },
  input,
  rest: {
    method: 'POST',
    path: '/v1/campaigns/:campaignId/import',
    status: 202,
    body: 'json',
    toInput: ({ body, params }) => ({ campaign_id: Reflect.get(Object(params), 'campaignId'), vouchers: body }),
  },

  records: { kind: voucherRecords, names: () => ({ of: (item) => [keyOf(item)] }), lock: lockItsCampaign },

  async plan({ campaign_id, vouchers }, context) {
    const { tx, projectId } = context;
    const campaign = await requireCampaign(tx, projectId, campaign_id);
    const codes = requireCodes(vouchers);
    requireQuantities(vouchers);
    const taken = await findTakenCodes(tx, projectId, codes.filter(isStorable));
    const duplicates = taken.size + codes.length - new Set(codes).size;
    if (duplicates > 0) {
      throw badInput(['vouchers'], 'DUPLICATE_KEY', `${duplicates} voucher codes(s) already exist.`);
    }
    return { parameters: { campaignId: campaign.id }, items: beginningWork(context, campaign.id, vouchers) };
  },

  async apply(chunk, context) {
    const { tx, projectId } = context;
    const { campaignId } = parameters.parse(context.parameters);
    const campaign = await lockCampaign(tx, projectId, campaignId);
    if (campaign === undefined) return { failures: refuseAll(chunk, campaignId, keyOf) };
    const check = await readMetadataCheck(tx, projectId, metadataResourceOf(campaign));
    const { records, failures } = readVouchers(chunk, voucherMaker(campaign), check);
    return { failures: [...failures, ...(await importIntoCampaign(context, campaign, records))] };
  },

  replan: beginCampaignAgain('IN_PROGRESS'),
  finish: endCampaignWork,
  abandon: failCampaignWork,
});

function requireCodes(vouchers: readonly Item[]): string[] {
  const codes = vouchers.map(keyOf).filter((code) => code !== null);
  const missing = vouchers.length - codes.length;
  if (missing === 0) return codes;
  throw badInput(['vouchers'], 'INVALID_VOUCHER', `Found ${missing} voucher(s) without 'code' value`);
}

function requireQuantities(vouchers: readonly Item[]): void {
  for (const { redemption } of vouchers) {
    const quantity: unknown = Object(redemption).quantity ?? null;
    if (quantity === null || typeof quantity === 'number') continue;
    throw badInput(['vouchers'], 'INVALID', 'Property .redemption.quantity should be number,null');
  }
}

function readVouchers(chunk: Chunk<Item>, make: ReturnType<typeof voucherMaker>, check: MetadataCheck) {
  const records = new Map<number, CampaignVoucherRecord>();
  const failures: Failure[] = [];
  chunk.items.forEach((item, index) => {
    const row = chunk.firstRow + index;
    const result = compiledInput.safeParse(item);
    if (!result.success) {
      failures.push(failureOf(row, keyOf(item), result.error, item));
      return;
    }
    const record = make(result.data.code, result.data);
    const misfit = check(JSON.parse(record.metadata), { isNew: true });
    if (misfit === undefined) records.set(row, record);
    else failures.push({ row, key: record.code, code: 'METADATA_VALIDATION_FAILED', message: misfit });
  });
  return { records, failures };
}

function keyOf(item: Item): string | null {
  return typeof item.code === 'string' && item.code !== '' ? item.code : null;
}
