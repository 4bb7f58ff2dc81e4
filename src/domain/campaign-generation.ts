import { z } from 'zod';
import type { CampaignRow } from '../db/catalog-tables.ts';
import type { Tx } from '../db/client.ts';
import { badInput, duplicateFound } from '../errors.ts';
import { campaignVoucher, invalidCampaign, metadataResourceOf } from './campaign-input.ts';
import { generatedVoucher, voucherMaker } from './campaign-voucher-input.ts';
import { countCodes, generateVouchers, insertCampaignVouchers } from './campaign-vouchers.ts';
import { maxCodesPerCampaign, mergeMetadata } from './campaigns.ts';
import { requireValidMetadata } from './metadata-schemas.ts';
import { invalidCodeConfig, requirePossible, toCodeConfig } from './voucher-codes.ts';

/** The generation of a campaign's vouchers (contract of the async actions, sections 1.3 and 4.5). */

/** What the vouchers are given besides what the campaign gives. */
export const generationSpec = z.object(generatedVoucher);
export type GenerationSpec = z.infer<typeof generationSpec>;

/** Throws BAD_USER_INPUT unless `count` vouchers can be generated into the campaign. */
export async function checkGeneration(
  tx: Tx,
  campaign: CampaignRow,
  count: number,
  spec: GenerationSpec,
): Promise<void> {
  if (campaign.type === 'STANDALONE') {
    throw invalidCampaign([], 'You can not generate vouchers for STANDALONE type campaign.');
  }
  if (spec.code === undefined) requirePossible(configOf(campaign, spec), count);
  else if (count > 1) throw invalidCodeConfig(`One code cannot be given to ${count} vouchers`);
  if ((await countCodes(tx, campaign.id)) + count > maxCodesPerCampaign) {
    const message = `A campaign can have at most ${maxCodesPerCampaign} codes`;
    throw badInput(['vouchers_count'], 'TOO_MANY_CODES', message, count);
  }
  const metadata = mergeMetadata(campaign.metadata, spec.metadata);
  await requireValidMetadata(tx, campaign.project_id, metadataResourceOf(campaign), metadata, { isNew: true });
}

/** Generates up to `count` vouchers into a campaign that is locked and returns their codes: fewer, when no more codes are
 *  free or the campaign may have no more. */
export async function generate(
  tx: Tx,
  campaign: CampaignRow,
  count: number,
  spec: GenerationSpec,
): Promise<readonly string[]> {
  const room = Math.max(maxCodesPerCampaign - (await countCodes(tx, campaign.id)), 0);
  const make = voucherMaker(campaign);
  const toRecord = (code: string) => make(code, spec);
  if (spec.code !== undefined) return [...(await insertCampaignVouchers(tx, campaign, [toRecord(spec.code)]))];
  return generateVouchers(tx, campaign, configOf(campaign, spec), { count: Math.min(count, room), toRecord });
}

/** Adds one voucher at once and returns its code. Throws DUPLICATE_FOUND when the code given is taken,
 *  BAD_USER_INPUT with INVALID_CODE_CONFIG when no code is free, or as `checkGeneration` does. */
export async function addVoucher(tx: Tx, campaign: CampaignRow, spec: GenerationSpec): Promise<string> {
  await checkGeneration(tx, campaign, 1, spec);
  const [code] = await generate(tx, campaign, 1, spec);
  if (code !== undefined) return code;
  if (spec.code === undefined) throw invalidCodeConfig('Not possible to generate a code: all are taken');
  throw duplicateFound('voucher', spec.code);
}

function configOf(campaign: CampaignRow, spec: GenerationSpec) {
  return spec.code_config === undefined
    ? campaignVoucher.parse(campaign.voucher).code_config
    : toCodeConfig(spec.code_config);
}
