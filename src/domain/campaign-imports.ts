import type { CampaignRow } from '../db/catalog-tables.ts';
import type { ApplyContext, Chunk, Failure, PlanContext } from '../tasks/operation.ts';
import { type CampaignVoucherRecord, countCodes, insertCampaignVouchers } from './campaign-vouchers.ts';
import { beginCampaignWork, maxCodesPerCampaign } from './campaigns.ts';

/** What the two imports into a campaign have in common. */

/** Inserts vouchers, by row number, into a campaign that is locked, up to the number of codes that it may have, the `unseen` of a
 *  dry run among them. Returns why the others were refused. Codes must differ. */
export async function importIntoCampaign(
  { tx, unseen = 0 }: Pick<ApplyContext, 'tx' | 'unseen'>,
  campaign: CampaignRow,
  records: ReadonlyMap<number, CampaignVoucherRecord>,
): Promise<Failure[]> {
  const room = Math.max(maxCodesPerCampaign - unseen - (await countCodes(tx, campaign.id)), 0);
  const rows = [...records];
  const fitting = rows.slice(0, room);
  const inserted = await insertCampaignVouchers(
    tx,
    campaign,
    fitting.map(([, record]) => record),
  );
  const taken = fitting.filter(([, { code }]) => !inserted.has(code));
  return [
    ...taken.map(([row, { code }]) => duplicate(row, code)),
    ...rows.slice(room).map(([row, { code }]) => ({ row, key: code, ...noRoom })),
  ];
}

/** The items of an import, which says after the last of them that it works on the campaign: not before, for a file may arrive
 *  slowly, and until the transaction ends nobody else can write to the campaign. Says nothing where there are no items, or in a dry run. */
export async function* beginningWork<Item>(
  { tx, isDryRun }: PlanContext,
  campaignId: string,
  items: Iterable<Item> | AsyncIterable<Item>,
): AsyncGenerator<Item> {
  let isEmpty = true;
  for await (const item of items) {
    yield item;
    isEmpty = false;
  }
  if (!isEmpty && !isDryRun) await beginCampaignWork(tx, campaignId, 'IN_PROGRESS');
}

/** Why nothing can be done to a campaign that was deleted meanwhile. */
export function refuseAll<Item>(
  { firstRow, size, items }: Chunk<Item>,
  campaignId: string,
  keyOf: (item: Item) => string | null,
): Failure[] {
  const message = `Cannot find campaign with id ${campaignId}`;
  return Array.from({ length: size }, (_, index) => {
    const item = items[index];
    return { row: firstRow + index, key: item === undefined ? null : keyOf(item), code: 'NOT_FOUND', message };
  });
}

/** The code stands for another voucher. */
export function duplicate(row: number, code: string): Failure {
  return { row, key: code, code: 'DUPLICATE', message: `Duplicated voucher exists with id ${code}` };
}

/** The campaign may have no more codes. */
export const noRoom = {
  code: 'TOO_MANY_CODES',
  message: `A campaign can have at most ${maxCodesPerCampaign} codes`,
} as const;
