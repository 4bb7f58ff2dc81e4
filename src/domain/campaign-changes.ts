import { z } from 'zod';
import type { CampaignRow } from '../db/catalog-tables.ts';
import type { Tx } from '../db/client.ts';
import type { JsonObject } from '../db/json.ts';
import { badInput } from '../errors.ts';
import {
  type CampaignVoucher,
  campaignChanges,
  campaignVoucher,
  invalidCampaign,
  metadataResourceOf,
  toDate,
  toJson,
} from './campaign-input.ts';
import type { FollowingColumn } from './campaign-vouchers.ts';
import { type CampaignChanges, mergeMetadata } from './campaigns.ts';
import { readMetadataCheck } from './metadata-schemas.ts';

/** What an update of a campaign writes (contract of the async actions, sections 1.3 and 4.6). */

const given = z.object(campaignChanges);
type Given = z.infer<typeof given>;

/** What changes of the campaign itself, and what of its vouchers follows it. */
export interface PlannedChanges {
  readonly campaign: CampaignChanges;
  readonly columns: readonly FollowingColumn[];
  readonly metadataKeys: readonly string[];
}

/** Checks an update and says what it writes. Throws BAD_USER_INPUT: INVALID_CAMPAIGN for what cannot change,
 *  METADATA_VALIDATION_FAILED for metadata that does not fit. */
export async function planChanges(tx: Tx, campaign: CampaignRow, input: Given): Promise<PlannedChanges> {
  const voucher = changeVoucher(campaignVoucher.parse(campaign.voucher), input);
  const unset = input.unset_metadata_fields ?? [];
  const changesMetadata = input.metadata !== undefined || unset.length > 0;
  const metadata = mergeMetadata(campaign.metadata, input.metadata, unset);
  if (changesMetadata) await checkMetadata(tx, campaign, input.metadata, metadata);
  return {
    campaign: {
      ...changedFields(input),
      ...(voucher && { voucher: JSON.stringify(voucher) }),
      ...(changesMetadata && { metadata: JSON.stringify(metadata) }),
    },
    columns: changedColumns(input),
    metadataKeys: [...new Set([...Object.keys(input.metadata ?? {}), ...unset])],
  };
}

/** What is given must fit, and what fitted as a whole must still fit; what did not fit before need not be mended now. */
async function checkMetadata(
  tx: Tx,
  campaign: CampaignRow,
  given: JsonObject | undefined,
  merged: JsonObject,
): Promise<void> {
  const check = await readMetadataCheck(tx, campaign.project_id, metadataResourceOf(campaign));
  const fitted = check(campaign.metadata, { isNew: true }) === undefined;
  const misfit = check(given, { isNew: false }) ?? (fitted ? check(merged, { isNew: true }) : undefined);
  if (misfit !== undefined) throw badInput(['metadata'], 'METADATA_VALIDATION_FAILED', misfit);
}

function changedFields(input: Given): CampaignChanges {
  const { start_date, expiration_date, validity_timeframe, validity_hours, access_settings, auto_join, join_once } =
    input;
  return definedOnly({
    description: input.description,
    category: input.category,
    activity_duration_after_publishing: input.activity_duration_after_publishing,
    validity_day_of_week: input.validity_day_of_week,
    auto_join,
    join_once,
    type: input.type,
    start_date: start_date === undefined ? undefined : toDate(start_date),
    expiration_date: expiration_date === undefined ? undefined : toDate(expiration_date),
    validity_timeframe: validity_timeframe === undefined ? undefined : toJson(validity_timeframe),
    validity_hours: validity_hours === undefined ? undefined : toJson(validity_hours),
    access_settings: access_settings === undefined ? undefined : toJson(access_settings),
  });
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function definedOnly<T extends object>(fields: T): Defined<T>;
function definedOnly(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** The campaign's voucher with its new discount or gift; undefined when neither is given. */
function changeVoucher(voucher: CampaignVoucher, { discount, gift }: Given): CampaignVoucher | undefined {
  if (discount !== undefined && discount.type !== voucher.discount?.type) {
    throw invalidCampaign(['discount', 'type'], 'It is not possible to change Voucher discount type');
  }
  if (gift !== undefined && gift.amount !== voucher.gift?.amount) {
    throw invalidCampaign(['gift', 'amount'], 'It is not possible to change the initial gift amount');
  }
  if (discount === undefined && gift === undefined) return undefined;
  return { ...voucher, ...(discount && { discount }), ...(gift && { gift }) };
}

function changedColumns(input: Given): FollowingColumn[] {
  const same = [
    'start_date',
    'expiration_date',
    'validity_timeframe',
    'validity_day_of_week',
    'category',
    'discount',
  ] as const;
  const columns: FollowingColumn[] = same.filter((column) => input[column] !== undefined);
  return input.gift === undefined ? columns : [...columns, 'gift_effect'];
}
