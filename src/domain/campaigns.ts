import { sql } from 'kysely';
import { z } from 'zod';
import type { CampaignRow } from '../db/catalog-tables.ts';
import type { Database, Tx } from '../db/client.ts';
import type { JsonObject } from '../db/json.ts';
import { duplicateFound, notFound } from '../errors.ts';
import { isStorable } from '../tasks/input.ts';
import type { ApplyContext } from '../tasks/operation.ts';
import { hasUnfinishedTask } from '../tasks/unfinished.ts';
import { newRecordIds } from './ids.ts';

/** The SQL on campaigns themselves; campaign-vouchers.ts has that on their vouchers. One in the bin is not found. */

/** Codes of one campaign (contract of the async actions, section 7). */
export const maxCodesPerCampaign = 100_000;

/** A campaign as it is read: with the number of its vouchers, those in the bin aside. */
export interface CampaignWithCount extends CampaignRow {
  readonly vouchers_count: number;
}

/** What a client says of a new campaign, and what may change; `voucher` and the like are JSON texts. */
export interface CampaignRecord {
  readonly name: string;
  readonly campaign_type: CampaignRow['campaign_type'];
  readonly type: CampaignRow['type'];
  readonly voucher: string;
  readonly description: string | null;
  readonly category: string | null;
  readonly start_date: Date | null;
  readonly expiration_date: Date | null;
  readonly validity_timeframe: string | null;
  readonly validity_day_of_week: number[] | null;
  readonly validity_hours: string | null;
  readonly activity_duration_after_publishing: string | null;
  readonly access_settings: string | null;
  readonly auto_join: boolean;
  readonly join_once: boolean;
  readonly use_voucher_metadata_schema: boolean;
  readonly metadata: string;
}

/** What may change after the creation. */
export type CampaignChanges = Partial<
  Omit<CampaignRecord, 'name' | 'campaign_type' | 'use_voucher_metadata_schema'> & {
    readonly creation_status: CampaignRow['creation_status'];
    readonly vouchers_generation_status: CampaignRow['vouchers_generation_status'];
  }
>;

/** The project's campaign of this id or, failing that, of this name. */
export async function findCampaign(
  db: Database | Tx,
  projectId: string,
  idOrName: string,
): Promise<CampaignWithCount | undefined> {
  if (!isStorable(idOrName)) return undefined;
  return liveCampaigns(db, projectId)
    .where((eb) => eb.or([eb('id', '=', idOrName), eb('name', '=', idOrName)]))
    .orderBy((eb) => eb('id', '=', idOrName), 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** The same; throws NOT_FOUND. */
export async function requireCampaign(
  db: Database | Tx,
  projectId: string,
  idOrName: string,
): Promise<CampaignWithCount> {
  const campaign = await findCampaign(db, projectId, idOrName);
  if (campaign === undefined) throw notFound('campaign', idOrName);
  return campaign;
}

/** Takes a campaign for this transaction: whoever writes its vouchers takes it first, so that they are counted exactly, none
 *  is written to a campaign that is being deleted, and writers wait for each other instead of deadlocking. */
export async function lockCampaign(tx: Tx, projectId: string, id: string): Promise<CampaignRow | undefined> {
  return tx
    .selectFrom('campaigns')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/** Finds by id or name and takes it; throws NOT_FOUND. */
export async function requireLocked(tx: Tx, projectId: string, idOrName: string): Promise<CampaignRow> {
  const found = await requireCampaign(tx, projectId, idOrName);
  const locked = await lockCampaign(tx, projectId, found.id);
  if (locked === undefined) throw notFound('campaign', idOrName);
  return locked;
}

/** How a list may be sorted; the id settles ties. */
const sortings = {
  created_at: sql`created_at, id`,
  '-created_at': sql`created_at desc, id desc`,
  updated_at: sql`updated_at nulls last, id`,
  '-updated_at': sql`updated_at desc nulls last, id desc`,
} as const;
export type CampaignOrder = keyof typeof sortings;
export const campaignOrders = [
  'created_at',
  '-created_at',
  'updated_at',
  '-updated_at',
] as const satisfies readonly CampaignOrder[];

/** A page of the project's campaigns, counted from 1, and how many there are in all. */
export async function listCampaigns(
  db: Database,
  projectId: string,
  list: {
    readonly kind: CampaignRow['campaign_type'] | undefined;
    readonly order: CampaignOrder;
    readonly limit: number;
    readonly page: number;
  },
): Promise<{ campaigns: CampaignWithCount[]; total: number }> {
  const { kind, order, limit, page } = list;
  let rows = liveCampaigns(db, projectId);
  let count = db
    .selectFrom('campaigns')
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .where('project_id', '=', projectId)
    .where('deleted_at', 'is', null);
  if (kind !== undefined) {
    rows = rows.where('campaign_type', '=', kind);
    count = count.where('campaign_type', '=', kind);
  }
  const campaigns = await rows
    .orderBy(sortings[order])
    .limit(limit)
    .offset((page - 1) * limit)
    .execute();
  const { total } = await count.executeTakeFirstOrThrow();
  return { campaigns, total };
}

/** Inserts a campaign that is ready. Throws DUPLICATE_FOUND when the name is taken, by one in the bin too. */
export async function insertCampaign(tx: Tx, projectId: string, record: CampaignRecord): Promise<CampaignRow> {
  const [id = ''] = newRecordIds('camp_', 1, 24);
  const row = await tx
    .insertInto('campaigns')
    .values({
      id,
      project_id: projectId,
      ...record,
      creation_status: 'DONE',
      vouchers_generation_status: 'DONE',
    })
    .onConflict((conflict) => conflict.columns(['project_id', 'name']).doNothing())
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) throw duplicateFound('campaign', record.name);
  return row;
}

/** Writes what has changed; a change of nothing but the statuses is no update that a reader is told of. */
export async function updateCampaign(
  tx: Tx,
  id: string,
  changes: CampaignChanges,
  options: { readonly touch?: boolean } = {},
): Promise<void> {
  const touched = options.touch ? { updated_at: sql<Date>`clock_timestamp()` } : {};
  await tx
    .updateTable('campaigns')
    .set({ ...changes, ...touched })
    .where('id', '=', id)
    .execute();
}

/** Says that the task of this transaction will work on the campaign's vouchers, and takes the campaign. What an earlier task
 *  has FAILED at is not told any more. */
export async function beginCampaignWork(
  tx: Tx,
  id: string,
  status: Extract<CampaignRow['creation_status'], 'IN_PROGRESS' | 'MODIFYING'>,
): Promise<void> {
  await updateCampaign(tx, id, { creation_status: status, vouchers_generation_status: status });
}

/** The `finish` of a task on a campaign's vouchers, whose parameters hold its `campaignId`. The campaign is DONE, unless another
 *  task still works on it, or could not be carried out while this one ran. */
export async function endCampaignWork({ tx, projectId, taskId, parameters }: ApplyContext): Promise<void> {
  const { campaignId } = workParameters.parse(parameters);
  // Tasks of one campaign begin and end one by one here, so that the last one sees all others as they are.
  const campaign = await lockCampaign(tx, projectId, campaignId);
  if (campaign === undefined || campaign.creation_status === 'FAILED') return;
  if (await hasUnfinishedTask(tx, { projectId, except: taskId, parameters: { campaignId } })) return;
  await updateCampaign(tx, campaignId, { creation_status: 'DONE', vouchers_generation_status: 'DONE' });
}

/** The `abandon` of the same. */
export async function failCampaignWork({ tx, parameters }: ApplyContext): Promise<void> {
  const { campaignId } = workParameters.parse(parameters);
  await updateCampaign(tx, campaignId, { creation_status: 'FAILED', vouchers_generation_status: 'FAILED' });
}

const workParameters = z.object({ campaignId: z.string() });

/** Puts a campaign into the bin: from now on nobody finds it or writes to it. */
export async function binCampaign(tx: Tx, id: string): Promise<void> {
  await tx.updateTable('campaigns').set({ deleted_at: sql<Date>`clock_timestamp()` }).where('id', '=', id).execute();
}

/** Removes a campaign that is in the bin, and what is left of its vouchers there; its name is free again. */
export async function removeCampaign(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('vouchers').where('campaign_id', '=', id).execute();
  await tx.deleteFrom('campaigns').where('id', '=', id).execute();
}

/** Metadata after a merge by key and the removal of keys. */
export function mergeMetadata(
  before: JsonObject,
  given: JsonObject | undefined,
  unset: readonly string[] = [],
): JsonObject {
  const merged = [...Object.entries(before), ...Object.entries(given ?? {})];
  return Object.fromEntries(merged.filter(([key]) => !unset.includes(key)));
}

function liveCampaigns(db: Database | Tx, projectId: string) {
  return db
    .selectFrom('campaigns')
    .selectAll()
    .select((eb) =>
      eb
        .selectFrom('vouchers')
        .select((count) => count.fn.countAll<number>().as('count'))
        .whereRef('vouchers.campaign_id', '=', 'campaigns.id')
        .where('vouchers.deleted_at', 'is', null)
        .$asScalar()
        .$notNull()
        .as('vouchers_count'),
    )
    .where('project_id', '=', projectId)
    .where('deleted_at', 'is', null);
}
