import { sql } from 'kysely';
import type { Tx } from '../db/client.ts';
import type { JsonObject } from '../db/json.ts';
import { rowsAs } from '../db/rows.ts';
import { newRecordIds } from './ids.ts';

/** How orders are written: what is given is gathered row by row, then written with one statement for all. */

/** An order that is to be written. */
export interface OrderDraft {
  /** Final once it is written: somebody else may have made a new order first. */
  id: string;
  readonly sourceId: string | null;
  isNew: boolean;
  /** The columns to write; the others stay. */
  fields: JsonObject;
}

/** The orders of a chunk: one draft each, however often it is named. */
export interface OrderDrafts {
  /** The order of this id or, without one, of this source id. */
  find(keys: OrderKeys): OrderDraft | undefined;
  /** A new order; without a source id nobody else can name it. */
  add(sourceId: string | null): OrderDraft;
}

export interface OrderKeys {
  readonly id?: string | null | undefined;
  readonly source_id?: string | null | undefined;
}

/** Reads which of these orders the project has. */
export async function readOrderDrafts(tx: Tx, projectId: string, keys: readonly OrderKeys[]): Promise<OrderDrafts> {
  const rows = await readIds(
    tx,
    projectId,
    keys.flatMap(({ id }) => id ?? []),
    keys.flatMap(({ id, source_id }) => (id ? [] : (source_id ?? []))),
  );
  const drafts = rows.map(({ id, source_id }): OrderDraft => ({ id, sourceId: source_id, isNew: false, fields: {} }));
  const byId = new Map(drafts.map((draft) => [draft.id, draft]));
  const bySourceId = new Map(drafts.map((draft) => [draft.sourceId, draft]));
  return {
    find: ({ id, source_id }) => (id ? byId.get(id) : source_id ? bySourceId.get(source_id) : undefined),
    add(sourceId) {
      const draft: OrderDraft = { id: '', sourceId, isNew: true, fields: {} };
      if (sourceId !== null) bySourceId.set(sourceId, draft);
      return draft;
    },
  };
}

/** Adds to what is written to an order: the later value wins, metadata is merged key by key. */
export function addFields(draft: OrderDraft, fields: JsonObject): void {
  const metadata = isObject(fields.metadata)
    ? { ...(isObject(draft.fields.metadata) ? draft.fields.metadata : {}), ...fields.metadata }
    : undefined;
  draft.fields = { ...draft.fields, ...fields, ...(metadata && { metadata }) };
}

/** Creates the new orders and writes the fields of all; afterwards their ids are final. */
export async function writeOrderDrafts(tx: Tx, projectId: string, drafts: readonly OrderDraft[]): Promise<void> {
  const created = drafts
    .filter(({ isNew }) => isNew)
    .sort((a, b) => ((a.sourceId ?? '') < (b.sourceId ?? '') ? -1 : 1));
  if (created.length > 0) await createOrders(tx, projectId, created);
  if (drafts.length > 0) await updateOrders(tx, drafts);
}

/** In the order of their source ids, so that two chunks wait for each other instead of deadlocking. */
async function createOrders(tx: Tx, projectId: string, drafts: readonly OrderDraft[]): Promise<void> {
  const ids = newRecordIds('ord_', drafts.length, 24);
  const rows = drafts.map(({ sourceId }) => ({ source_id: sourceId }));
  const inserted = await sql<{ id: string }>`
    insert into orders (id, project_id, source_id, status)
    select id, ${projectId}::uuid, source_id, 'CREATED' from ${rowsAs('r', { source_id: 'text' }, rows, ids)}
    on conflict (project_id, source_id) do nothing
    returning id`.execute(tx);
  const done = new Set(inserted.rows.map(({ id }) => id));
  drafts.forEach((draft, index) => {
    draft.id = ids[index] ?? '';
  });
  const late = drafts.filter(({ id }) => !done.has(id));
  if (late.length > 0) await adoptOrders(tx, projectId, late);
}

/** Somebody else has created these orders since this transaction looked: they are updated. */
async function adoptOrders(tx: Tx, projectId: string, drafts: readonly OrderDraft[]): Promise<void> {
  const sourceIds = drafts.flatMap(({ sourceId }) => sourceId ?? []);
  const rows = await readIds(tx, projectId, [], sourceIds);
  const ids = new Map(rows.map(({ id, source_id }) => [source_id, id]));
  for (const draft of drafts) {
    const id = ids.get(draft.sourceId);
    if (id === undefined) throw new Error('an order that was in the way is gone again');
    draft.id = id;
    draft.isNew = false;
  }
}

/** The lock in the order of the ids keeps two chunks from deadlocking. What the fields do not say, jsonb_populate_record takes
 *  from the row as it is. */
async function updateOrders(tx: Tx, drafts: readonly OrderDraft[]): Promise<void> {
  const types = { id: 'text', is_new: 'boolean', fields: 'jsonb' };
  const rows = drafts.map(({ id, isNew, fields }) => ({ id, is_new: isNew, fields: JSON.stringify(fields) }));
  await sql`
    with locked as materialized (
      select id from orders where id = any(${drafts.map(({ id }) => id)}::text[]) order by id for update
    )
    update orders as o set
      (status, amount, initial_amount, discount_amount, items, customer_id, referrer_id) = (
        select p.status, p.amount, p.initial_amount, p.discount_amount, p.items, p.customer_id, p.referrer_id
        from jsonb_populate_record(o, r.fields) as p),
      metadata = o.metadata || coalesce(r.fields -> 'metadata', '{}'),
      updated_at = case when r.is_new then null else clock_timestamp() end
    from ${rowsAs('r', types, rows)} join locked on locked.id = r.id
    where o.id = r.id`.execute(tx);
}

async function readIds(tx: Tx, projectId: string, ids: readonly string[], sourceIds: readonly string[]) {
  const { rows } = await sql<{ id: string; source_id: string | null }>`
    select id, source_id from orders
    where project_id = ${projectId}::uuid and (id = any(${ids}::text[]) or source_id = any(${sourceIds}::text[]))`.execute(
    tx,
  );
  return rows;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
