import { sql } from 'kysely';
import type { RecordKind } from '../tasks/operation.ts';

/** The records that imports make, for dry runs and undo: how they are named, and what else refers to them. */

export const voucherRecords: RecordKind = { table: 'vouchers', key: 'code' };

export const orderRecords: RecordKind = { table: 'orders', key: 'source_id', hasIds: true };

/** A customer is used by the orders that it made or brought. */
export const customerRecords: RecordKind = {
  table: 'customers',
  key: 'source_id',
  hasIds: true,
  usedAmong: (_projectId, ids) => sql`
    select customer_id as id from orders where customer_id = any(${ids}::text[])
    union select referrer_id from orders where referrer_id = any(${ids}::text[])`,
};

/** A product is used by its SKUs, and by orders, whose items are searched from end to end. */
export const productRecords: RecordKind = {
  table: 'products',
  key: 'source_id',
  usedAmong: (projectId, ids) => sql`
    select product_id as id from skus where product_id = any(${ids}::text[])
    union select p.id from products as p
    where p.id = any(${ids}::text[]) and array[p.id, p.source_id] && (${namedInOrders(projectId, 'product')})`,
};

/** A SKU is used by orders. */
export const skuRecords: RecordKind = {
  table: 'skus',
  key: 'source_id',
  usedAmong: (projectId, ids) => sql`
    select s.id from skus as s
    where s.id = any(${ids}::text[]) and array[s.id, s.source_id] && (${namedInOrders(projectId, 'sku')})`,
};

/** All ids and source ids that the items of the project's orders tell of one kind. */
function namedInOrders(projectId: string, what: 'product' | 'sku') {
  return sql`
    select coalesce(array_agg(distinct named.name), '{}')
    from orders as o, jsonb_array_elements(o.items) as i, lateral (values
      (i->>${`${what}_id`}), (i->${what}->>'id'), (i->${what}->>'source_id'),
      (case when i->>'related_object' = ${what} then i->>'source_id' end)
    ) as named(name)
    where o.project_id = ${projectId}::uuid and named.name is not null`;
}
