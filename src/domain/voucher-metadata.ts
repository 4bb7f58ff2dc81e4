import { sql } from 'kysely';
import { z } from 'zod';
import type { Tx } from '../db/client.ts';
import { rowsAs } from '../db/rows.ts';
import type { JsonObject } from '../db/tables.ts';
import { isStorable, jsonObject, unstorable } from '../tasks/input.ts';
import type { Failure, Outcome, ReportRow } from '../tasks/operation.ts';
import { type MetadataCheck, readMetadataCheck } from './metadata-schemas.ts';
import { custom } from './reasons.ts';

/** Changes of the metadata of vouchers that exist (contract of the async actions, sections 1.4 and 4.1). */

/** Metadata as a client writes it: merged by key, not deeper; null stays as a value. */
export const metadataInput = jsonObject().meta({ graphql: 'JSON' });

/** A code of the project. */
export const codeInput = z.string().min(1).max(255);

/** One voucher of VOUCHERS.BULK_UPDATE. */
export const voucherMetadataInput = z
  .object({
    code: codeInput.describe('Which voucher.'),
    metadata: metadataInput.describe('Keys to write; those not named stay.'),
  })
  .superRefine((value, context) => {
    const unfit = Object.entries(value).find(([, part]) => !isStorable(part));
    if (unfit !== undefined) context.addIssue(custom([unfit[0]], `${unfit[0]}: ${unstorable}`));
  })
  .meta({ id: 'VoucherMetadataInput', description: 'New metadata of one voucher.' });

/** What is to be written to the voucher of a code, or why the item could not be read. */
export type MetadataChange =
  | { readonly row: number; readonly code: string; readonly metadata: JsonObject }
  | { readonly failure: Failure };

interface FoundVoucher {
  /** Its campaign has not said that the schema of vouchers counts (contract 4.3). */
  readonly followsCampaign: boolean;
}

/** Merges metadata into the vouchers of a chunk; of one key that a code gets twice, the later value stays. An item that
 *  changes nothing has succeeded and is reported as not updated. */
export async function changeVouchersMetadata(
  tx: Tx,
  projectId: string,
  changes: readonly MetadataChange[],
): Promise<Outcome> {
  const found = await lockVouchers(
    tx,
    projectId,
    changes.flatMap((change) => ('code' in change ? [change.code] : [])),
  );
  const checkFor = await readChecks(tx, projectId, found);
  const verdicts = changes.map((change) => ('code' in change ? judge(change, found, checkFor) : change));
  const merged = new Map<string, JsonObject>();
  for (const verdict of verdicts) {
    if ('code' in verdict) merged.set(verdict.code, { ...merged.get(verdict.code), ...verdict.metadata });
  }
  const written = await mergeMetadata(tx, projectId, merged);
  return {
    failures: verdicts.flatMap((verdict) => ('failure' in verdict ? [verdict.failure] : [])),
    report: verdicts.map((verdict): ReportRow => {
      if ('code' in verdict) return [verdict.code, true, written.has(verdict.code)];
      const { key } = verdict.failure;
      return [key ?? '', key !== null && found.has(key), false];
    }),
  };
}

function judge(
  change: Extract<MetadataChange, { code: string }>,
  found: ReadonlyMap<string, FoundVoucher>,
  checkFor: (voucher: FoundVoucher) => MetadataCheck,
): MetadataChange {
  const { row, code, metadata } = change;
  const voucher = found.get(code);
  const refuse = (failureCode: string, message: string) => ({
    failure: { row, key: code, code: failureCode, message },
  });
  if (voucher === undefined) return refuse('NOT_FOUND', `Cannot find voucher with id ${code}`);
  const misfit = checkFor(voucher)(metadata, { isNew: false });
  return misfit === undefined ? change : refuse('METADATA_VALIDATION_FAILED', misfit);
}

async function readChecks(tx: Tx, projectId: string, found: ReadonlyMap<string, FoundVoucher>) {
  const ofVouchers = await readMetadataCheck(tx, projectId, 'voucher');
  const isMixed = [...found.values()].some(({ followsCampaign }) => followsCampaign);
  const ofCampaigns = isMixed ? await readMetadataCheck(tx, projectId, 'campaign') : ofVouchers;
  return ({ followsCampaign }: FoundVoucher) => (followsCampaign ? ofCampaigns : ofVouchers);
}

/** Locks the vouchers in the order of their codes, so that two chunks with the same codes wait for each other instead of
 *  deadlocking. One in the bin is not found. */
async function lockVouchers(tx: Tx, projectId: string, codes: readonly string[]): Promise<Map<string, FoundVoucher>> {
  const { rows } = await sql<{ code: string } & FoundVoucher>`
    select v.code, coalesce(not c.use_voucher_metadata_schema, false) as "followsCampaign"
    from vouchers as v left join campaigns as c on c.id = v.campaign_id
    where v.project_id = ${projectId}::uuid and v.code = any(${[...new Set(codes)]}::text[]) and v.deleted_at is null
    order by v.code for update of v`.execute(tx);
  return new Map(rows.map((row) => [row.code, row]));
}

/** Returns the codes of the vouchers that it changed. */
async function mergeMetadata(tx: Tx, projectId: string, merged: ReadonlyMap<string, JsonObject>): Promise<Set<string>> {
  if (merged.size === 0) return new Set();
  const changes = [...merged].map(([code, metadata]) => ({ code, metadata: JSON.stringify(metadata) }));
  const { rows } = await sql<{ code: string }>`
    update vouchers as v
    set metadata = v.metadata || r.metadata, updated_at = clock_timestamp()
    from ${rowsAs('r', { code: 'text', metadata: 'jsonb' }, changes)}
    where v.project_id = ${projectId}::uuid and v.code = r.code and v.metadata is distinct from v.metadata || r.metadata
    returning v.code`.execute(tx);
  return new Set(rows.map((row) => row.code));
}
