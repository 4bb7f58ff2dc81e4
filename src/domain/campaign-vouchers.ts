import { sql } from 'kysely';
import type { CampaignRow } from '../db/catalog-tables.ts';
import type { Tx } from '../db/client.ts';
import { rowsAs } from '../db/rows.ts';
import { newRecordIds } from './ids.ts';
import { type CodeConfig, listCodes, makeCodes } from './voucher-codes.ts';
import { currentTask, type VoucherRecord } from './vouchers.ts';

/** The SQL on the vouchers of one campaign. Whoever writes takes the campaign first (`lockCampaign`). */

/** A voucher of a campaign as it is written; its type, discount and the rest of a gift are the campaign's, and `gift_amount` is
 *  null where the campaign is not one of gift vouchers. */
export interface CampaignVoucherRecord extends Omit<VoucherRecord, 'type' | 'discount' | 'gift_effect'> {
  readonly loyalty_points: number | null;
}

const recordTypes = {
  code: 'text',
  gift_amount: 'bigint',
  loyalty_points: 'bigint',
  redeemed_amount: 'bigint',
  category: 'text',
  start_date: 'timestamptz',
  expiration_date: 'timestamptz',
  validity_timeframe: 'jsonb',
  validity_day_of_week: 'smallint[]',
  redemption_quantity: 'integer',
  redeemed_quantity: 'integer',
  active: 'boolean',
  additional_info: 'text',
  metadata: 'jsonb',
} as const satisfies { [Column in keyof CampaignVoucherRecord]: string };
const columnList = sql.join(Object.keys(recordTypes).map((column) => sql.ref(column)));

const pageSize = 5_000;
/** So often chance is asked for codes that are free, before what is free is looked up. */
const maxRounds = 16;

/** How many codes the campaign has, those in the bin too. */
export async function countCodes(tx: Tx, campaignId: string): Promise<number> {
  const { count } = await tx
    .selectFrom('vouchers')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('campaign_id', '=', campaignId)
    .executeTakeFirstOrThrow();
  return count;
}

/** Inserts the vouchers whose code is new to the project and returns the codes that it inserted. Codes must differ. */
export async function insertCampaignVouchers(
  tx: Tx,
  campaign: CampaignRow,
  records: readonly CampaignVoucherRecord[],
): Promise<Set<string>> {
  if (records.length === 0) return new Set();
  const sorted = [...records].sort((a, b) => (a.code < b.code ? -1 : 1));
  const ids = newRecordIds('v_', sorted.length);
  const { rows: inserted } = await sql<{ code: string }>`
    insert into vouchers (id, project_id, campaign_id, created_by_task, type, discount, gift_effect, ${columnList})
    select id, ${campaign.project_id}::uuid, ${campaign.id}, ${currentTask}, c.voucher->>'type', c.voucher->'discount',
      c.voucher->'gift'->>'effect', ${columnList}
    from ${rowsAs('r', recordTypes, sorted, ids)},
      (select ${JSON.stringify(campaign.voucher)}::jsonb as voucher) as c
    on conflict (project_id, code) do nothing
    returning code`.execute(tx);
  return new Set(inserted.map((row) => row.code));
}

/** Inserts `count` vouchers that differ in their codes alone and returns the codes: fewer, when no more are free. */
export async function generateVouchers(
  tx: Tx,
  campaign: CampaignRow,
  config: CodeConfig,
  options: { readonly count: number; readonly toRecord: (code: string) => CampaignVoucherRecord },
): Promise<string[]> {
  const { count, toRecord } = options;
  const made: string[] = [];
  const insert = async (codes: readonly string[]) => {
    made.push(...(await insertCampaignVouchers(tx, campaign, codes.map(toRecord))));
  };
  for (let round = 0; round < maxRounds && made.length < count; round += 1) {
    await insert([...new Set(makeCodes(config, count - made.length))]);
  }
  if (made.length < count) await insert(await freeCodes(tx, campaign.project_id, config, count - made.length));
  return made;
}

/** Sets what is given of vouchers that the campaign has, and returns their codes. */
export async function updateActiveAndCategory(
  tx: Tx,
  campaign: CampaignRow,
  rows: readonly {
    readonly code: string;
    readonly active: boolean | null;
    readonly category: string | null;
  }[],
): Promise<Set<string>> {
  const types = { code: 'text', active: 'boolean', category: 'text' };
  const { rows: updated } = await sql<{ code: string }>`
    with r as materialized (
      select v.id, r.active, r.category from ${rowsAs('r', types, rows)}
      join vouchers v on v.code = r.code
      where v.project_id = ${campaign.project_id}::uuid and v.campaign_id = ${campaign.id} and v.deleted_at is null
      order by v.id for update of v
    )
    update vouchers v
    set active = coalesce(r.active, v.active), category = coalesce(r.category, v.category),
      updated_at = clock_timestamp()
    from r where v.id = r.id
    returning v.code`.execute(tx);
  return new Set(updated.map((row) => row.code));
}

/** The ids of the campaign's vouchers as they are read, those in the bin aside; with `untouched` only those not yet published or
 *  redeemed. Undefined when there are none. */
export async function findVoucherIds(
  tx: Tx,
  campaignId: string,
  options: { readonly untouched: boolean },
): Promise<AsyncIterable<string> | undefined> {
  const ids = streamVoucherIds(tx, campaignId, options);
  const first = await ids.next();
  return first.done ? undefined : startingWith(first.value, ids);
}

async function* startingWith(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}

async function* streamVoucherIds(
  tx: Tx,
  campaignId: string,
  options: { readonly untouched: boolean },
): AsyncGenerator<string> {
  const condition = options.untouched ? untouched : sql`true`;
  for (let last = ''; ; ) {
    const { rows } = await sql<{ id: string }>`
      select id from vouchers
      where campaign_id = ${campaignId} and id > ${last} and deleted_at is null and ${condition}
      order by id limit ${pageSize}`.execute(tx);
    for (const { id } of rows) yield id;
    const end = rows.at(-1);
    if (end === undefined || rows.length < pageSize) return;
    last = end.id;
  }
}

/** Puts these vouchers of a campaign into the bin or, with `force`, removes them. */
export async function deleteVouchers(
  tx: Tx,
  campaignId: string,
  ids: readonly string[],
  options: { readonly force: boolean },
): Promise<void> {
  const these = sql`campaign_id = ${campaignId} and id = any(${ids}::text[])`;
  const locked = sql`with locked as materialized (select id from vouchers where ${these} order by id for update)`;
  if (options.force) {
    await sql`${locked} delete from vouchers v using locked where v.id = locked.id`.execute(tx);
    return;
  }
  await sql`${locked} update vouchers v set deleted_at = clock_timestamp()
    from locked where v.id = locked.id and v.deleted_at is null`.execute(tx);
}

/** The columns of a voucher that follow its campaign. */
export const followingColumns = [
  'start_date',
  'expiration_date',
  'validity_timeframe',
  'validity_day_of_week',
  'category',
  'discount',
  'gift_effect',
] as const;
export type FollowingColumn = (typeof followingColumns)[number];

/** Brings these columns and metadata keys of vouchers not yet published or redeemed to what the campaign says now, and
 *  returns the ids of the vouchers that it wrote. */
export async function followCampaign(
  tx: Tx,
  campaign: CampaignRow,
  ids: readonly string[],
  what: { readonly columns: readonly FollowingColumn[]; readonly metadataKeys: readonly string[] },
): Promise<Set<string>> {
  const assignments = what.columns.map((column) => sql`${sql.ref(column)} = ${followers[column]}`);
  const metadata = Object.entries(campaign.metadata).filter(([key]) => what.metadataKeys.includes(key));
  const merged = sql`metadata = (v.metadata - ${what.metadataKeys}::text[]) || ${JSON.stringify(Object.fromEntries(metadata))}::jsonb`;
  const { rows } = await sql<{ id: string }>`
    with locked as materialized (
      select id from vouchers
      where campaign_id = ${campaign.id} and id = any(${ids}::text[]) and deleted_at is null and ${untouched}
      order by id for update
    )
    update vouchers v set ${sql.join([...assignments, merged, sql`updated_at = clock_timestamp()`])}
    from locked, campaigns c where v.id = locked.id and c.id = ${campaign.id}
    returning v.id`.execute(tx);
  return new Set(rows.map(({ id }) => id));
}

const untouched = sql`published_at is null and redeemed_quantity = 0 and redeemed_amount = 0`;

const followers = {
  start_date: sql`c.start_date`,
  expiration_date: sql`c.expiration_date`,
  validity_timeframe: sql`c.validity_timeframe`,
  validity_day_of_week: sql`c.validity_day_of_week`,
  category: sql`c.category`,
  discount: sql`c.voucher->'discount'`,
  gift_effect: sql`c.voucher->'gift'->>'effect'`,
} as const satisfies { [Column in FollowingColumn]: unknown };

/** Up to `count` possible codes that are free, in no order; none where there are too many codes to look. */
async function freeCodes(tx: Tx, projectId: string, config: CodeConfig, count: number): Promise<string[]> {
  const codes = listCodes(config);
  if (codes === undefined) return [];
  const { rows } = await sql<{ code: string }>`
    select code from unnest(${codes}::text[]) as code
    where not exists (select from vouchers v where v.project_id = ${projectId}::uuid and v.code = code.code)
    order by random() limit ${count}`.execute(tx);
  return rows.map(({ code }) => code);
}
