import { badInput } from '../errors.ts';
import { isStorable, unstorable } from '../tasks/input.ts';
import { readWireDate } from './dates.ts';
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
  const names = header.map((name) => name.toLowerCase());
  if (!names.includes('code'))
    throw invalidHeader(`the column Code is missing; found ${header.slice(0, 20).join(', ')}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalidHeader(`the column ${twice} stands there twice`);
  if (!isStorable(header)) throw invalidHeader(`a column name ${unstorable}`);
  const spaced = header.find((name) => !known.has(name.toLowerCase()) && (/\s/.test(name) || name === ''));
  if (spaced !== undefined) throw invalidHeader(`a metadata column has a name without white space; found '${spaced}'`);
}

/** Which columns of an existing voucher a file with this header overwrites. */
export function updatedColumns(header: readonly string[]): UpdatableColumn[] {
  const columns = header.flatMap((name) => known.get(name.toLowerCase()) ?? []);
  const hasMetadata = header.some((name) => !known.has(name.toLowerCase()));
  return [...new Set<UpdatableColumn>(hasMetadata ? [...columns, 'metadata'] : columns)];
}

/** One row's voucher, or why it is refused. */
export function readVoucherRow(
  header: readonly string[],
  cells: readonly string[],
): { record: VoucherRecord } | { key: string | null; reason: string } {
  const cell = new Map<string, string>();
  header.forEach((name, index) => {
    cell.set(name.toLowerCase(), cells[index]?.trim() ?? '');
  });
  const code = cell.get('code') ?? '';
  try {
    const unfit = header.find((_name, index) => !isStorable(cells[index]));
    if (unfit !== undefined) throw new Refusal(`${unfit}: ${unstorable}`);
    if (cells.length !== header.length) throw new Refusal(`expected ${header.length} cells, found ${cells.length}`);
    return { record: readRecord(code, cell, readMetadata(header, cells)) };
  } catch (error) {
    if (error instanceof Refusal) return { key: code, reason: error.message };
    throw error;
  }
}

function readRecord(code: string, cell: ReadonlyMap<string, string>, metadata: string): VoucherRecord {
  const read = (name: string) => cell.get(name.toLowerCase()) ?? '';
  if (code === '') throw new Refusal('Code is required');
  if (code.length > maxCode) throw new Refusal(reason('Code', `must have at most ${maxCode} characters`, code));
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

function readDiscount(read: (name: string) => string): string {
  const type = readChoice('Discount Type', read('Discount Type'), discountTypes);
  const value = required('Value', read('Value'));
  const amount = type === 'PERCENT' ? readPercent('Value', value) : readWhole('Value', value);
  return JSON.stringify({ type, [discountFields[type]]: amount });
}

/** Every column that is not known is metadata, as text; an empty cell has none. */
function readMetadata(header: readonly string[], cells: readonly string[]): string {
  const entries = header
    .map((name, index) => [name, cells[index]?.trim() ?? ''] as const)
    .filter(([name, value]) => !known.has(name.toLowerCase()) && value !== '');
  return JSON.stringify(Object.fromEntries(entries));
}

function required(name: string, value: string): string {
  if (value === '') throw new Refusal(`${name} is required`);
  return value;
}

function readChoice<const Choice extends string>(name: string, value: string, choices: readonly Choice[]): Choice {
  const text = required(name, value);
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw new Refusal(reason(name, `must be equal to one of ${choices.join(',')}`, text));
  return choice;
}

function readWhole(name: string, value: string): number {
  const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(number)) throw new Refusal(reason(name, 'must be an integer', value));
  return number;
}

function readCount(name: string, value: string): number {
  const number = readWhole(name, value);
  if (number > 2_147_483_647) throw new Refusal(reason(name, 'cannot be greater than 2147483647', value));
  return number;
}

function readPercent(name: string, value: string): number {
  const number = /^\d{1,3}(\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(number) || number > 100) throw new Refusal(reason(name, 'must be a number from 0 to 100', value));
  return number;
}

function readFlag(name: string, value: string, fallback: boolean): boolean {
  switch (value.toLowerCase()) {
    case '':
      return fallback;
    case 'true':
      return true;
    case 'false':
      return false;
    default:
      throw new Refusal(reason(name, 'must be TRUE or FALSE', value));
  }
}

function readDate(name: string, value: string): Date | null {
  if (value === '') return null;
  const date = readWireDate(value);
  if (date === undefined) throw new Refusal(reason(name, 'must be an ISO 8601 date', value));
  return date;
}

/** Thrown and caught inside this file only: it leaves as the row's reason. */
class Refusal extends Error {}

function invalidHeader(message: string) {
  return badInput(['file'], 'INVALID_CSV_HEADER', `The header line cannot be used: ${message}`);
}
