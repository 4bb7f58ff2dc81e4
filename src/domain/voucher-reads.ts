import { type ExpressionBuilder, sql } from 'kysely';
import type { Database, Tx } from '../db/client.ts';
import type { Tables, VoucherRow } from '../db/tables.ts';
import { isStorable } from '../tasks/input.ts';
import { type FilterFields, type Filters, passing } from './filters.ts';

/** A voucher that can be read: none in the bin. */
export interface FoundVoucher extends VoucherRow {
  /** The name of its campaign. */
  readonly campaign: string | null;
}

/** Which vouchers a list holds; what is undefined does not narrow it. */
export interface VoucherFilter {
  readonly campaignId?: string | undefined;
  /** The name of their campaign. */
  readonly campaign?: string | undefined;
  readonly category?: string | undefined;
  readonly code?: string | undefined;
  /** Ids or codes. */
  readonly ids?: readonly string[] | undefined;
  readonly createdBefore?: Date | undefined;
  readonly createdAfter?: Date | undefined;
  readonly updatedBefore?: Date | undefined;
  readonly updatedAfter?: Date | undefined;
  /** Conditions on `voucherFields`. */
  readonly filters?: Filters | undefined;
}

/** What a list can be filtered by. */
export const voucherFields: FilterFields = {
  id: { column: 'vouchers.id', holds: 'text' },
  code: { column: 'vouchers.code', holds: 'text' },
  type: { column: 'vouchers.type', holds: 'text' },
  category: { column: 'vouchers.category', holds: 'text' },
  campaign: { column: 'campaigns.name', holds: 'text' },
  campaign_id: { column: 'vouchers.campaign_id', holds: 'text' },
  additional_info: { column: 'vouchers.additional_info', holds: 'text' },
  start_date: { column: 'vouchers.start_date', holds: 'moment' },
  expiration_date: { column: 'vouchers.expiration_date', holds: 'moment' },
  created_at: { column: 'vouchers.created_at', holds: 'moment' },
  updated_at: { column: 'vouchers.updated_at', holds: 'moment' },
};

/** How a list may be sorted; the id settles ties. */
const sortings = {
  created_at: sql`vouchers.created_at, vouchers.id`,
  '-created_at': sql`vouchers.created_at desc, vouchers.id desc`,
  updated_at: sql`vouchers.updated_at nulls last, vouchers.id`,
  '-updated_at': sql`vouchers.updated_at desc nulls last, vouchers.id desc`,
  code: sql`vouchers.code`,
  '-code': sql`vouchers.code desc`,
} as const;
export type VoucherOrder = keyof typeof sortings;

/** Every way in which a list can be sorted. */
export const voucherOrders: readonly VoucherOrder[] = [
  'created_at',
  '-created_at',
  'updated_at',
  '-updated_at',
  'code',
  '-code',
];

/** The project's voucher of this code or, failing that, of this id. */
export async function findVoucher(
  db: Database | Tx,
  projectId: string,
  codeOrId: string,
): Promise<FoundVoucher | undefined> {
  // Postgres takes no text with a NUL, so no voucher has one.
  if (!isStorable(codeOrId)) return undefined;
  return selectVouchers(db, projectId, {})
    .where((eb) => eb.or([eb('vouchers.code', '=', codeOrId), eb('vouchers.id', '=', codeOrId)]))
    .selectAll('vouchers')
    .select('campaigns.name as campaign')
    .orderBy((eb) => eb('vouchers.code', '=', codeOrId), 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** One page of the project's vouchers, counted from 1, and how many there are on all. */
export async function listVouchers(
  db: Database,
  projectId: string,
  filter: VoucherFilter,
  { limit, page, order }: { readonly limit: number; readonly page: number; readonly order: VoucherOrder },
): Promise<{ vouchers: FoundVoucher[]; total: number }> {
  const { filters: _, ...texts } = filter;
  if (!isStorable(texts)) return { vouchers: [], total: 0 };
  const vouchers = await selectVouchers(db, projectId, filter)
    .selectAll('vouchers')
    .select('campaigns.name as campaign')
    .orderBy(sortings[order])
    .limit(limit)
    .offset((page - 1) * limit)
    .execute();
  const { total } = await selectVouchers(db, projectId, filter)
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  return { vouchers, total };
}

function selectVouchers(db: Database | Tx, projectId: string, filter: VoucherFilter) {
  return db
    .selectFrom('vouchers')
    .leftJoin('campaigns', 'campaigns.id', 'vouchers.campaign_id')
    .where('vouchers.project_id', '=', projectId)
    .where('vouchers.deleted_at', 'is', null)
    .where((eb) => eb.and(conditionsOf(eb, filter)));
}

function conditionsOf(
  eb: ExpressionBuilder<Pick<Tables, 'vouchers' | 'campaigns'>, 'vouchers' | 'campaigns'>,
  filter: VoucherFilter,
) {
  const { campaignId, campaign, category, code, ids, filters } = filter;
  const { createdBefore, createdAfter, updatedBefore, updatedAfter } = filter;
  return [
    ...(campaignId === undefined ? [] : [eb('vouchers.campaign_id', '=', campaignId)]),
    ...(campaign === undefined ? [] : [eb('campaigns.name', '=', campaign)]),
    ...(category === undefined ? [] : [eb('vouchers.category', '=', category)]),
    ...(code === undefined ? [] : [eb('vouchers.code', '=', code)]),
    ...(ids === undefined ? [] : [eb.or([eb('vouchers.id', 'in', ids), eb('vouchers.code', 'in', ids)])]),
    ...(createdBefore === undefined ? [] : [eb('vouchers.created_at', '<', createdBefore)]),
    ...(createdAfter === undefined ? [] : [eb('vouchers.created_at', '>', createdAfter)]),
    ...(updatedBefore === undefined ? [] : [eb('vouchers.updated_at', '<', updatedBefore)]),
    ...(updatedAfter === undefined ? [] : [eb('vouchers.updated_at', '>', updatedAfter)]),
    ...(filters === undefined ? [] : [passing(filters)]),
  ];
}
