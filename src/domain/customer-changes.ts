import { isDeepStrictEqual } from 'node:util';
import type { Tx } from '../db/client.ts';
import {
  type CustomerProfile,
  type CustomerRecord,
  insertCustomers,
  lockCustomers,
  overwriteCustomers,
} from './customers.ts';
import { newRecordIds } from './ids.ts';
import type { MetadataCheck } from './metadata-schemas.ts';

/** What is to be written to one customer. The id names an existing one and wins over the source id; who is not found by
 *  either is created under the source id, or without one. */
export interface CustomerChange {
  readonly id: string | null;
  readonly sourceId: string | null;
  readonly profile: Partial<CustomerProfile>;
}

export interface CustomerWrite {
  /** MERGE writes what is given, metadata key by key, and leaves the rest; OVERWRITE empties what is not given. */
  readonly mode: 'MERGE' | 'OVERWRITE';
  /** Of the project's schema for customers. */
  readonly check: MetadataCheck;
}

/** What became of one change: whether the customer existed, whether it was written (false where it was as wanted already),
 *  or why it was refused. */
export type CustomerOutcome =
  | { readonly id: string; readonly found: boolean; readonly updated: boolean }
  | { readonly refusal: CustomerRefusal; readonly found: boolean };

export interface CustomerRefusal {
  readonly code: 'NOT_FOUND' | 'METADATA_VALIDATION_FAILED';
  readonly message: string;
}

interface Draft {
  readonly id: string;
  readonly sourceId: string | null;
  /** As it is stored; undefined: not yet. */
  readonly before: CustomerProfile | undefined;
  now: CustomerProfile;
}

const emptyProfile: CustomerProfile = {
  name: null,
  description: null,
  email: null,
  phone: null,
  birthdate: null,
  address: null,
  metadata: null,
};
const maxPasses = 5;

/**
 * Writes the changes as if one after the other, with one statement for the new customers and one for the known ones. Tells
 * what became of each change. Locks the customers until the transaction ends.
 */
export async function writeCustomers(
  tx: Tx,
  projectId: string,
  changes: readonly CustomerChange[],
  write: CustomerWrite,
): Promise<ReadonlyMap<CustomerChange, CustomerOutcome>> {
  const outcomes = new Map<CustomerChange, CustomerOutcome>();
  let pending = changes;
  // What somebody else creates between the lock and the insert is taken as known by the next pass.
  for (let pass = 0; pending.length > 0; pass += 1) {
    if (pass === maxPasses) throw new Error(`${pending.length} customers were created and deleted by others meanwhile`);
    const { drafts, results } = draftChanges(await lock(tx, projectId, pending), pending, write);
    const inserted = await insertCustomers(tx, projectId, drafts.filter(isNew).map(toRecord));
    await overwriteCustomers(tx, projectId, drafts.filter(isChanged).map(toRecord));
    pending = pending.filter((change, index) => {
      const { draft, outcome } = results[index] ?? {};
      if (outcome === undefined || (draft && isNew(draft) && !inserted.has(draft.id))) return true;
      outcomes.set(change, outcome);
      return false;
    });
  }
  return outcomes;
}

function lock(tx: Tx, projectId: string, changes: readonly CustomerChange[]): Promise<CustomerRecord[]> {
  const present = (ids: readonly (string | null)[]) => [...new Set(ids)].filter((id) => id !== null);
  const ids = present(changes.map(({ id }) => id));
  const sourceIds = present(changes.map(({ sourceId }) => sourceId));
  return ids.length + sourceIds.length === 0 ? Promise.resolve([]) : lockCustomers(tx, projectId, ids, sourceIds);
}

/** Plays the changes through in memory: what each comes to, and what is to be written in the end. */
function draftChanges(
  stored: readonly CustomerRecord[],
  changes: readonly CustomerChange[],
  { mode, check }: CustomerWrite,
) {
  const drafts: Draft[] = stored.map(({ id, source_id, ...profile }) => ({
    id,
    sourceId: source_id,
    before: profile,
    now: profile,
  }));
  const byId = new Map(drafts.map((draft) => [draft.id, draft]));
  const bySourceId = new Map(drafts.map((draft) => [draft.sourceId, draft]));
  const newIds = newRecordIds('cust_', changes.length, 24);
  const results = changes.map((change, index): { draft?: Draft; outcome: CustomerOutcome } => {
    const { id, sourceId, profile } = change;
    const known = byId.get(id ?? '') ?? (sourceId === null ? undefined : bySourceId.get(sourceId));
    const found = known !== undefined;
    if (!found && id !== null && sourceId === null) return { outcome: { refusal: unknown(id), found } };
    const reason = check(profile.metadata ?? undefined, { isNew: !found || mode === 'OVERWRITE' });
    if (reason !== undefined) return { outcome: { refusal: unfit(reason), found } };
    const now = applyProfile(known?.now, profile, mode);
    if (known !== undefined) {
      const updated = !isDeepStrictEqual(known.now, now);
      known.now = now;
      return { draft: known, outcome: { id: known.id, found, updated } };
    }
    const draft: Draft = { id: newIds[index] ?? '', sourceId, before: undefined, now };
    drafts.push(draft);
    if (sourceId !== null) bySourceId.set(sourceId, draft);
    return { draft, outcome: { id: draft.id, found, updated: true } };
  });
  return { drafts, results };
}

function applyProfile(
  current: CustomerProfile | undefined,
  given: Partial<CustomerProfile>,
  mode: CustomerWrite['mode'],
): CustomerProfile {
  if (current === undefined || mode === 'OVERWRITE') return { ...emptyProfile, ...given };
  const metadata = given.metadata ? { ...current.metadata, ...given.metadata } : current.metadata;
  return { ...current, ...given, metadata };
}

function isNew(draft: Draft): boolean {
  return draft.before === undefined;
}

function isChanged(draft: Draft): boolean {
  return draft.before !== undefined && !isDeepStrictEqual(draft.before, draft.now);
}

function toRecord({ id, sourceId, now }: Draft): CustomerRecord {
  return { id, source_id: sourceId, ...now };
}

function unknown(id: string): CustomerRefusal {
  return { code: 'NOT_FOUND', message: `Cannot find customer with id ${id}` };
}

function unfit(reason: string): CustomerRefusal {
  return { code: 'METADATA_VALIDATION_FAILED', message: reason };
}
