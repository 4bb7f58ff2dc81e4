import type { Tx } from '../db/client.ts';
import type { Failure, ReportRow } from '../tasks/operation.ts';
import { type CustomerChange, type CustomerWrite, writeCustomers } from './customer-changes.ts';

/** One item of a chunk that writes customers: what to write, or why it cannot be read. */
export type CustomerEntry = CustomerItem & ({ readonly change: CustomerChange } | { readonly refusal: Refusal });

interface CustomerItem {
  readonly row: number;
  /** The caller's own id of the customer; null when the item has none. */
  readonly key: string | null;
}

interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** Writes the customers of one chunk. Returns the failures, and what was done to each item, in the order of the entries. */
export async function writeCustomerEntries(
  tx: Tx,
  projectId: string,
  entries: readonly CustomerEntry[],
  write: CustomerWrite,
): Promise<{ failures: Failure[]; report: ReportRow[] }> {
  const changes = entries.flatMap((entry) => ('change' in entry ? entry.change : []));
  const outcomes = await writeCustomers(tx, projectId, changes, write);
  const failures: Failure[] = [];
  const report: ReportRow[] = [];
  for (const entry of entries) {
    const { row, key } = entry;
    const outcome = 'change' in entry ? outcomes.get(entry.change) : { refusal: entry.refusal, found: false };
    if (outcome === undefined) throw new Error(`row ${row} was neither written nor refused`);
    if ('refusal' in outcome) failures.push({ row, key, ...outcome.refusal });
    report.push([key ?? '', outcome.found, 'updated' in outcome && outcome.updated]);
  }
  return { failures, report };
}
