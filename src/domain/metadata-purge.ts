import { sql } from 'kysely';
import { z } from 'zod';
import type { Tx } from '../db/client.ts';
import { text } from '../tasks/input.ts';
import { defineOperation, type Operation } from '../tasks/operation.ts';

/** The removal of one metadata key from all resources of a kind: five operations, alike but for their table. */

export interface PurgeOptions {
  /** Stored, such as `vouchers.metadata_key_purge`. */
  readonly name: string;
  readonly actionType: string;
  readonly mutation: string;
  readonly table: 'campaigns' | 'vouchers' | 'customers' | 'products' | 'orders';
  /** What the result counts: `Updated 3 vouchers.` */
  readonly noun: string;
  /** Our own start, such as `/v1/vouchers/metadata/purge/async`: the contract has none. */
  readonly restPath: string;
}

const input = z.object({
  key: text().min(1).max(255).describe('The metadata key: 1 to 255 characters, as it is written in the metadata.'),
});
const pageSize = 5_000;

/**
 * Defines a METADATA_KEY_PURGE. Its items are the ids of the resources that have the key when it is started, those in the
 * bin too; whoever gets the key later keeps it. It cannot be undone, and does not ask what the metadata schema says.
 */
export function definePurge(options: PurgeOptions): Operation<z.infer<typeof input>, string> {
  const { name, actionType, mutation, table, noun, restPath } = options;
  return defineOperation({
    name,
    model: 'ASYNC_ACTION',
    actionType,
    result: { family: 'COUNT', verb: 'Updated', noun },
    chunkSize: 2_000,
    mutation: {
      name: mutation,
      description: `Removes one metadata key from all ${noun} of the project. It cannot be undone. The REST start is bulkcast's own: the provider starts it from a dashboard.`,
    },
    input,
    rest: { method: 'POST', path: restPath, status: 202, body: 'json', toInput: ({ body }) => body ?? {} },

    async plan({ key }, { tx, projectId }) {
      return { parameters: { key }, items: streamIds(tx, table, projectId, key) };
    },

    async apply({ items }, { tx, projectId, parameters }) {
      await removeKey(tx, table, projectId, input.parse(parameters).key, items);
      return { failures: [] };
    },
  });
}

async function* streamIds(
  tx: Tx,
  table: PurgeOptions['table'],
  projectId: string,
  key: string,
): AsyncGenerator<string> {
  for (let last = ''; ; ) {
    const { rows } = await sql<{ id: string }>`
      select id from ${sql.table(table)}
      where project_id = ${projectId}::uuid and id > ${last} and metadata ? ${key}
      order by id limit ${pageSize}`.execute(tx);
    for (const { id } of rows) yield id;
    const end = rows.at(-1);
    if (end === undefined || rows.length < pageSize) return;
    last = end.id;
  }
}

/** The lock in the order of the ids keeps two chunks that meet in a row from deadlocking. */
async function removeKey(
  tx: Tx,
  table: PurgeOptions['table'],
  projectId: string,
  key: string,
  ids: readonly string[],
): Promise<void> {
  await sql`
    with locked as materialized (
      select id from ${sql.table(table)}
      where project_id = ${projectId}::uuid and id = any(${ids}::text[]) and metadata ? ${key}
      order by id for update
    )
    update ${sql.table(table)} as t
    set metadata = t.metadata - ${key}::text, updated_at = clock_timestamp()
    from locked where t.id = locked.id`.execute(tx);
}
