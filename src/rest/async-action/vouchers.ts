import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import {
  type FoundVoucher,
  findVoucher,
  listVouchers,
  type VoucherFilter,
  voucherFields,
  voucherOrders,
} from '../../domain/voucher-reads.ts';
import { notFound } from '../../errors.ts';
import { callerOf } from '../door.ts';
import { readFilters } from './filters.ts';
import { invalidParameter, readChoice, readDate, readPage, readText } from './paging.ts';
import type { Voucher, VoucherList } from './shapes.ts';

const maxIds = 100;

interface Read {
  readonly Params: { readonly code: string };
}
interface List {
  readonly Querystring: Readonly<Record<string, unknown>>;
}

/** The read of one voucher by its code or id, and their list. */
export function registerVouchers(server: FastifyInstance, deps: GatewayDeps): void {
  server.get<Read>('/vouchers/:code', async (request): Promise<Voucher> => {
    const { code } = request.params;
    const found = await findVoucher(deps.db, callerOf(request).projectId, code);
    if (found === undefined) throw notFound('voucher', code);
    return describeVoucher(found);
  });

  server.get<List>('/vouchers', async (request): Promise<VoucherList> => {
    const { query } = request;
    const { projectId } = callerOf(request);
    const { vouchers, total } = await listVouchers(deps.db, projectId, readFilter(query), {
      ...readPage(query),
      order: readChoice(query, 'order', voucherOrders) ?? '-created_at',
    });
    return { object: 'list', data_ref: 'vouchers', vouchers: vouchers.map(describeVoucher), total };
  });
}

function readFilter(query: List['Querystring']): VoucherFilter {
  // To leave it out would answer with vouchers that were not asked for.
  if (query.customer !== undefined) throw invalidParameter('customer', 'is not supported');
  return {
    campaignId: readText(query, 'campaign_id'),
    campaign: readText(query, 'campaign'),
    category: readText(query, 'category'),
    code: readText(query, 'code'),
    ids: readTexts(query.ids ?? query['ids[]']),
    createdBefore: readDate(query, 'created_at[before]'),
    createdAfter: readDate(query, 'created_at[after]'),
    updatedBefore: readDate(query, 'updated_at[before]'),
    updatedAfter: readDate(query, 'updated_at[after]'),
    filters: readFilters(query, voucherFields),
  };
}

/** One after another (`ids=a&ids=b`), or in one with commas. */
function readTexts(given: unknown): string[] | undefined {
  if (given === undefined) return undefined;
  const texts = [given].flat().flatMap((part) => String(part).split(','));
  if (texts.length > maxIds) throw invalidParameter('ids', `cannot be more than ${maxIds}`);
  return texts;
}

/** A voucher as section 5.1 of the contract has it: what is not set is an explicit null. */
export function describeVoucher(row: FoundVoucher): Voucher {
  const url = (list: string) => `/v1/vouchers/${encodeURIComponent(row.code)}/${list}?page=1&limit=10`;
  return {
    id: row.id,
    code: row.code,
    campaign: row.campaign,
    campaign_id: row.campaign_id,
    category: row.category,
    category_id: null,
    categories: [],
    type: row.type,
    discount: row.discount && { ...row.discount, is_dynamic: false },
    gift: describeGift(row),
    loyalty_card: describeLoyaltyCard(row),
    start_date: row.start_date?.toISOString() ?? null,
    expiration_date: row.expiration_date?.toISOString() ?? null,
    validity_timeframe: row.validity_timeframe && { ...row.validity_timeframe },
    validity_day_of_week: row.validity_day_of_week,
    active: row.active,
    additional_info: row.additional_info,
    metadata: { ...row.metadata },
    assets: { qr: { id: null, url: null }, barcode: { id: null, url: null } },
    is_referral_code: false,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at?.toISOString() ?? null,
    validation_rules_assignments: { object: 'list', data_ref: 'data', data: [], total: 0 },
    publish: { object: 'list', count: 0, url: url('publications') },
    redemption: {
      quantity: row.redemption_quantity,
      redeemed_quantity: row.redeemed_quantity,
      object: 'list',
      url: url('redemptions'),
    },
    object: 'voucher',
  };
}

function describeGift(row: FoundVoucher): Voucher['gift'] {
  if (row.gift_amount === null) return null;
  return {
    amount: row.gift_amount,
    balance: row.gift_amount - row.redeemed_amount,
    subtracted_amount: 0,
    effect: row.gift_effect,
  };
}

function describeLoyaltyCard({ loyalty_points: points }: FoundVoucher): Voucher['loyalty_card'] {
  if (points === null) return null;
  return {
    points,
    balance: points,
    next_expiration_date: null,
    next_expiration_points: null,
    pending_points: 0,
    expired_points: 0,
    subtracted_points: 0,
  };
}
