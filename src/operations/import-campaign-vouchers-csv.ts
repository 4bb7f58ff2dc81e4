import { z } from 'zod';
import { type CampaignCsvRow, campaignRowReader, checkCampaignHeader } from '../domain/campaign-csv.ts';
import { beginningWork, duplicate, importIntoCampaign, refuseAll } from '../domain/campaign-imports.ts';
import { metadataResourceOf } from '../domain/campaign-input.ts';
import { type CampaignVoucherRecord, updateActiveAndCategory } from '../domain/campaign-vouchers.ts';
import { beginCampaignAgain, lockItsCampaign } from '../domain/campaign-work.ts';
import { endCampaignWork, failCampaignWork, lockCampaign, requireCampaign } from '../domain/campaigns.ts';
import { readCsv } from '../domain/csv.ts';
import { namedByCells } from '../domain/csv-cells.ts';
import { readMetadataSchema } from '../domain/metadata-schemas.ts';
import { voucherRecords } from '../domain/record-kinds.ts';
import { findTakenCodes } from '../domain/vouchers.ts';
import { id, upload } from '../tasks/input.ts';
import { type Chunk, defineOperation, type Failure } from '../tasks/operation.ts';

type Row = readonly string[];
type Read = ReturnType<typeof campaignRowReader>;

const input = z.object({
  campaign_id: id("The campaign's id or name."),
  file: upload(
    'A CSV file, UTF-8, with a header line. Columns: Code, Active, Category, Loyalty Points, Gift Amount, Redeemed Amount, Redeemed Quantity, Start Date, Expiration Date, Additional Info; those of a file for vouchers without a campaign are skipped, any other is metadata.',
  ),
});
const parameters = z.object({ campaignId: z.string(), header: z.array(z.string()) });

/** CAMPAIGN.VOUCHERS_IMPORT_CSV: creates vouchers in a campaign; of those it has, only active and category change. */
export const importCampaignVouchersCsv = defineOperation<z.infer<typeof input>, Row>({
  name: 'campaigns.vouchers_import_csv',
  model: 'ASYNC_ACTION',
  actionType: 'CAMPAIGN.VOUCHERS_IMPORT_CSV',
  result: { family: 'IMPORT', noun: 'voucher', failure: { key: 'code', row: true } },
  chunkSize: 2_000,
  mutation: {
    name: 'importCampaignVouchersCsv',
    description:
      'Creates vouchers in a campaign from a CSV file. Of codes that it has, only active and category change.',
  },
  input,
  rest: {
    method: 'POST',
    path: '/v1/campaigns/:campaignId/importCSV',
    status: 200,
    body: 'csv',
    toInput: ({ body, params }) => ({ ...Object(body), campaign_id: Reflect.get(Object(params), 'campaignId') }),
  },

  records: { kind: voucherRecords, names: namedByCells('Code'), lock: lockItsCampaign },

  async plan(request, context) {
    const { tx, projectId, limits } = context;
    const campaign = await requireCampaign(tx, projectId, request.campaign_id);
    const { header, rows } = await readCsv(request.file.stream, { maxLineBytes: limits.maxCsvLineBytes });
    checkCampaignHeader(header);
    return { parameters: { campaignId: campaign.id, header }, items: beginningWork(context, campaign.id, rows) };
  },

  async apply(chunk, context) {
    const { tx, projectId } = context;
    const { campaignId, header } = parameters.parse(context.parameters);
    const campaign = await lockCampaign(tx, projectId, campaignId);
    if (campaign === undefined) return { failures: refuseAll(chunk, campaignId, codeReader(header)) };
    const schema = await readMetadataSchema(tx, projectId, metadataResourceOf(campaign));
    const { rows, failures } = readRows(chunk, campaignRowReader(header, campaign, schema));
    const taken = await findTakenCodes(tx, projectId, [...rows.keys()]);
    const existing = [...rows].filter(([code]) => taken.has(code));
    const updated = await updateActiveAndCategory(
      tx,
      campaign,
      existing.map(([, same]) => latest(same).record),
    );
    for (const [code, same] of existing) {
      if (!updated.has(code)) failures.push(...same.map(({ row }) => duplicate(row, code)));
    }
    const fresh = toRecords(
      [...rows.values()].filter((same) => !taken.has(latest(same).record.code)),
      failures,
    );
    const refused = await importIntoCampaign(context, campaign, fresh);
    // What becomes of a code becomes of all its rows.
    failures.push(...refused.flatMap((one) => (rows.get(one.key ?? '') ?? []).map(({ row }) => ({ ...one, row }))));
    return { failures };
  },

  replan: beginCampaignAgain('IN_PROGRESS'),
  finish: endCampaignWork,
  abandon: failCampaignWork,
});

interface ReadRow {
  readonly row: number;
  readonly record: CampaignCsvRow;
}

/** The rows that can be read by code: where a code stands twice, the last row is written. */
function readRows(chunk: Chunk<Row>, read: Read) {
  const rows = new Map<string, ReadRow[]>();
  const failures: Failure[] = [];
  chunk.items.forEach((cells, index) => {
    const row = chunk.firstRow + index;
    const result = read(cells);
    if ('record' in result) {
      const same = rows.get(result.record.code);
      if (same === undefined) rows.set(result.record.code, [{ row, record: result.record }]);
      else same.push({ row, record: result.record });
    } else failures.push({ row, key: result.key, code: 'INVALID', message: result.reason });
  });
  return { rows, failures };
}

/** The new vouchers by the number of their last row; what cannot be one is added to the failures. */
function toRecords(fresh: readonly (readonly ReadRow[])[], failures: Failure[]): Map<number, CampaignVoucherRecord> {
  const records = new Map<number, CampaignVoucherRecord>();
  for (const same of fresh) {
    const { row, record } = latest(same);
    const { code, created } = record;
    if (typeof created !== 'string') records.set(row, created);
    else
      failures.push(
        ...same.map((one) => ({ row: one.row, key: code, code: 'METADATA_VALIDATION_FAILED', message: created })),
      );
  }
  return records;
}

function latest(same: readonly ReadRow[]): ReadRow {
  const last = same.at(-1);
  if (last === undefined) throw new Error('a code without rows');
  return last;
}

function codeReader(header: readonly string[]): (cells: Row) => string | null {
  const position = header.findIndex((name) => name.toLowerCase() === 'code');
  return (cells) => cells[position]?.trim() ?? null;
}
