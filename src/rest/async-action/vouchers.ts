import type { FastifyInstance } from 'fastify';
import type { VoucherRow } from '../../db/tables.ts';
import type { GatewayDeps } from '../../deps.ts';
import { findVoucher } from '../../domain/vouchers.ts';
import { notFound } from '../../errors.ts';
import { callerOf } from '../door.ts';
import type { Voucher } from './shapes.ts';

interface Read {
  readonly Params: { readonly code: string };
}

/** The read of one voucher by its code or id. */
export function registerVouchers(server: FastifyInstance, deps: GatewayDeps): void {
  server.get<Read>('/vouchers/:code', async (request) => {
    const { code } = request.params;
    // Postgres takes no text with a NUL, so no voucher has one.
    const found = code.includes('\0') ? undefined : await findVoucher(deps.db, callerOf(request).projectId, code);
    if (found === undefined) throw notFound('voucher', code);
    return describe(found);
  });
}

/** Section 5.1 of the contract: what is not set is an explicit null. */
function describe(row: VoucherRow): Voucher {
  const url = (list: string) => `/v1/vouchers/${encodeURIComponent(row.code)}/${list}?page=1&limit=10`;
  return {
    id: row.id,
    code: row.code,
    campaign: null,
    campaign_id: null,
    category: row.category,
    category_id: null,
    categories: [],
    type: row.type,
    discount: row.discount && { ...row.discount, is_dynamic: false },
    gift: describeGift(row),
    loyalty_card: null,
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

function describeGift(row: VoucherRow): Voucher['gift'] {
  if (row.gift_amount === null) return null;
  return {
    amount: row.gift_amount,
    balance: row.gift_amount - row.redeemed_amount,
    subtracted_amount: 0,
    effect: row.gift_effect,
  };
}
