import {
  checkHeader,
  metadataCells,
  type ReadCell,
  Refusal,
  readChoice,
  readCount,
  readDate,
  readFlag,
  readPercent,
  readRow,
  readWhole,
  required,
} from './csv-cells.ts';
import type { MetadataSchema } from './metadata-schemas.ts';
import { reason } from './reasons.ts';
import { discountTypes, voucherTypes } from './voucher-input.ts';
import type { UpdatableColumn, VoucherRecord } from './vouchers.ts';

/** The CSV files of voucher imports (contract of the async actions, sections 1.2 and 1.6). */

/** Known columns, in lower case, with the columns of the table that they write when the voucher exists. */
const known = new Map<string, readonly UpdatableColumn[]>(
  Object.entries<readonly UpdatableColumn[]>({
    code: [],
    'voucher type': [],
    value: ['discount', 'gift_amount'],
    'discount type': [],
    'discount effect': [],
    category: ['category'],
    'start date': ['start_date'],
    'expiration date': ['expiration_date'],
    'redemption limit': ['redemption_quantity'],
    'redeemed quantity': [],
    'redeemed amount': [],
    active: ['active'],
    'additional info': ['additional_info'],
    // Columns of the dashboard's and the campaigns' files: accepted, without effect here.
    'validation rule id': [],
    formula: [],
    'loyalty points': [],
    'gift amount': [],
  }),
);

const discountFields = {
  AMOUNT: 'amount_off',
  PERCENT: 'percent_off',
  FIXED: 'fixed_amount',
  UNIT: 'unit_off',
} as const;
const maxCode = 255;

/** Throws BAD_USER_INPUT when a file with this header cannot hold vouchers. */
export function checkVoucherHeader(header: readonly string[]): void {
  checkHeader(header, known, ['Code']);
}

/** Which columns of an existing voucher a file with this header overwrites. */
export function updatedColumns(header: readonly string[]): UpdatableColumn[] {
  const columns = header.flatMap((name) => known.get(name.toLowerCase()) ?? []);
  return [...new Set<UpdatableColumn>(hasMetadata(header) ? [...columns, 'metadata'] : columns)];
}

/** Whether a file with this header writes metadata: of existing vouchers too, whose metadata it replaces. */
export function hasMetadata(header: readonly string[]): boolean {
  return header.some((name) => !known.has(name.toLowerCase()));
}

/** One row's voucher, or why it is refused. Metadata must fit the schema as that of a new voucher; where the file has none,
 *  it is not checked here. */
export function readVoucherRow(
  header: readonly string[],
  cells: readonly string[],
  { check, fromCell }: MetadataSchema,
): { record: VoucherRecord } | { key: string | null; reason: string } {
  return readRow(header, cells, 'Code', (read) => {
    const given = metadataCells(header, cells, known);
    const metadata = Object.fromEntries(given.map(([name, cell]) => [name, fromCell(name, cell)]));
    const record = readRecord(read, JSON.stringify(metadata));
    const misfit = hasMetadata(header) ? check(metadata, { isNew: true }) : undefined;
    if (misfit !== undefined) throw new Refusal(misfit);
    return record;
  });
}

function readRecord(read: ReadCell, metadata: string): VoucherRecord {
  const code = required('Code', read('Code'), maxCode);
  const type = readChoice('Voucher Type', read('Voucher Type'), voucherTypes);
  const isGift = type === 'GIFT_VOUCHER';
  const giftAmount = isGift ? readWhole('Value', required('Value', read('Value'))) : null;
  const redeemedAmount = readWhole('Redeemed Amount', read('Redeemed Amount') || '0');
  if (redeemedAmount > (giftAmount ?? 0)) {
    throw new Refusal(reason('Redeemed Amount', 'cannot be greater than Value', redeemedAmount));
  }
  return {
    code,
    type,
    discount: isGift ? null : readDiscount(read),
    gift_amount: giftAmount,
    gift_effect: null,
    redeemed_amount: redeemedAmount,
    category: read('Category') || null,
    start_date: readDate('Start Date', read('Start Date')),
    expiration_date: readDate('Expiration Date', read('Expiration Date')),
    validity_timeframe: null,
    validity_day_of_week: null,
    redemption_quantity:
      read('Redemption Limit') === '' ? null : readCount('Redemption Limit', read('Redemption Limit')),
    redeemed_quantity: readCount('Redeemed Quantity', read('Redeemed Quantity') || '0'),
    active: readFlag('Active', read('Active'), true),
    additional_info: read('Additional Info') || null,
    metadata,
  };
}

function readDiscount(read: ReadCell): string {
  const type = readChoice('Discount Type', read('Discount Type'), discountTypes);
  const value = required('Value', read('Value'));
  const amount = type === 'PERCENT' ? readPercent('Value', value) : readWhole('Value', value);
  return JSON.stringify({ type, [discountFields[type]]: amount });
}
