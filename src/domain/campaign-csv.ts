import type { CampaignRow } from '../db/catalog-tables.ts';
import { voucherMaker } from './campaign-voucher-input.ts';
import type { CampaignVoucherRecord } from './campaign-vouchers.ts';
import {
  checkHeader,
  metadataCells,
  type ReadCell,
  Refusal,
  readCount,
  readDate,
  readFlag,
  readRow,
  readWhole,
  required,
} from './csv-cells.ts';
import type { MetadataSchema } from './metadata-schemas.ts';
import { reason } from './reasons.ts';

/** The CSV files of imports into a campaign (contract of the async actions, sections 1.2 and 1.6). */

const known = new Set([
  'code',
  'active',
  'category',
  'loyalty points',
  'gift amount',
  'redeemed amount',
  'redeemed quantity',
  'start date',
  'expiration date',
  'additional info',
  // Columns of files for vouchers without a campaign: accepted without effect, for the campaign says what they would.
  'voucher type',
  'discount type',
  'discount effect',
  'value',
  'redemption limit',
  'validation rule id',
  'formula',
]);
const maxCode = 255;

/** A row: the voucher as it is created, and what changes of one that the campaign has. */
export interface CampaignCsvRow {
  readonly code: string;
  readonly active: boolean | null;
  readonly category: string | null;
  /** Why no voucher can be created of it, or the voucher. */
  readonly created: CampaignVoucherRecord | string;
}

/** Throws BAD_USER_INPUT when a file with this header cannot hold vouchers of a campaign. */
export function checkCampaignHeader(header: readonly string[]): void {
  checkHeader(header, known, ['Code']);
}

/** Reads the rows of files with this header; each is read or refused with a reason. */
export function campaignRowReader(header: readonly string[], campaign: CampaignRow, schema: MetadataSchema) {
  const make = voucherMaker(campaign);
  const isExpired = campaign.expiration_date !== null && campaign.expiration_date.getTime() <= Date.now();
  return (cells: readonly string[]): { record: CampaignCsvRow } | { key: string | null; reason: string } =>
    readRow(header, cells, 'Code', (read) => {
      const code = required('Code', read('Code'), maxCode);
      const active = read('Active') === '' ? null : readFlag('Active', read('Active'), true);
      const category = read('Category') || null;
      const metadata = Object.fromEntries(
        metadataCells(header, cells, known).map(([name, cell]) => [name, schema.fromCell(name, cell)]),
      );
      const given = { ...readGiven(read), metadata, active: active ?? (campaign.active && !isExpired) };
      const record = make(code, category === null ? given : { ...given, category }, readUsed(read));
      return { code, active, category, created: checkNew(record, schema) };
    });
}

function readGiven(read: ReadCell) {
  const start = readDate('Start Date', read('Start Date'));
  const expiration = readDate('Expiration Date', read('Expiration Date'));
  const gift = read('Gift Amount');
  const points = read('Loyalty Points');
  return {
    ...(start && { start_date: start.toISOString() }),
    ...(expiration && { expiration_date: expiration.toISOString() }),
    ...(gift !== '' && { gift: { amount: readWhole('Gift Amount', gift) } }),
    ...(points !== '' && { loyalty_card: { points: readWhole('Loyalty Points', points) } }),
    additional_info: read('Additional Info') || null,
  };
}

function readUsed(read: ReadCell) {
  return {
    amount: readWhole('Redeemed Amount', read('Redeemed Amount') || '0'),
    quantity: readCount('Redeemed Quantity', read('Redeemed Quantity') || '0'),
  };
}

function checkNew(record: CampaignVoucherRecord, schema: MetadataSchema): CampaignVoucherRecord | string {
  if (record.redeemed_amount > (record.gift_amount ?? 0)) {
    throw new Refusal(reason('Redeemed Amount', 'cannot be greater than the gift amount', record.redeemed_amount));
  }
  return schema.check(JSON.parse(record.metadata), { isNew: true }) ?? record;
}
