import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { CustomerRow } from '../../db/catalog-tables.ts';
import type { GatewayDeps } from '../../deps.ts';
import { type CustomerChange, writeCustomers } from '../../domain/customer-changes.ts';
import { customerBody, customerUpdateBody, toProfile } from '../../domain/customer-input.ts';
import { customerFields, deleteCustomer, type OrderSummary, summarizeOrders } from '../../domain/customers.ts';
import { readMetadataCheck } from '../../domain/metadata-schemas.ts';
import { listRecords, requireRecord } from '../../domain/records.ts';
import { badInput, notFound } from '../../errors.ts';
import { callerOf } from '../door.ts';
import type { Customer, CustomerList } from './customer-shapes.ts';
import { readFilters } from './filters.ts';
import { readPage } from './paging.ts';
import { checkBody } from './payload.ts';

interface One {
  readonly Params: { readonly customerId: string };
}

interface List {
  readonly Querystring: Readonly<Record<string, unknown>>;
}

/** Create, read, update and delete of one customer, by its id or source id, and their list. */
export function registerCustomers(server: FastifyInstance, deps: GatewayDeps): void {
  server.post('/customers', async (request): Promise<Customer> => {
    const body = checkBody(customerBody, request.body);
    return write(deps, request, {
      id: body.id ?? null,
      sourceId: body.source_id ?? null,
      profile: toProfile(body),
    });
  });

  server.get<List>('/customers', async (request): Promise<CustomerList> => {
    const { query } = request;
    const { projectId } = callerOf(request);
    const list = { ...readPage(query), filters: readFilters(query, customerFields) };
    const { rows, total } = await listRecords(deps.db, 'customers', projectId, list);
    const described = await describeAll(deps, projectId, rows);
    return { object: 'list', data_ref: 'customers', customers: described, total };
  });

  server.get<One>('/customers/:customerId', async (request): Promise<Customer> => {
    return describe(deps, await find(deps, request));
  });

  server.put<One>('/customers/:customerId', async (request): Promise<Customer> => {
    const profile = toProfile(checkBody(customerUpdateBody, request.body));
    const { id } = await find(deps, request);
    return write(deps, request, { id, sourceId: null, profile });
  });

  server.delete<One>('/customers/:customerId', async (request, reply) => {
    const { id } = await find(deps, request);
    if (!(await deleteCustomer(deps.db, callerOf(request).projectId, id)))
      throw notFound('customer', request.params.customerId);
    return reply.code(204).send();
  });
}

async function find({ db }: GatewayDeps, request: FastifyRequest<One>): Promise<CustomerRow> {
  return requireRecord(db, 'customers', callerOf(request).projectId, request.params.customerId);
}

async function write(deps: GatewayDeps, request: FastifyRequest, change: CustomerChange): Promise<Customer> {
  const { projectId } = callerOf(request);
  const id = await deps.db.transaction().execute(async (tx) => {
    const check = await readMetadataCheck(tx, projectId, 'customer');
    const outcome = (await writeCustomers(tx, projectId, [change], { mode: 'MERGE', check })).get(change);
    if (outcome === undefined) throw new Error('a customer was neither written nor refused');
    if ('id' in outcome) return outcome.id;
    const { code, message } = outcome.refusal;
    throw code === 'NOT_FOUND' ? notFound('customer', change.id ?? '') : badInput(['metadata'], code, message);
  });
  return describe(deps, await requireRecord(deps.db, 'customers', projectId, id));
}

async function describe(deps: GatewayDeps, row: CustomerRow): Promise<Customer> {
  const orders = await summarizeOrders(deps.db, row.project_id, [row.id]);
  return toCustomer(row, orders.get(row.id));
}

async function describeAll(deps: GatewayDeps, projectId: string, rows: readonly CustomerRow[]): Promise<Customer[]> {
  const ids = rows.map(({ id }) => id);
  const orders = await summarizeOrders(deps.db, projectId, ids);
  return rows.map((row) => toCustomer(row, orders.get(row.id)));
}

/** Section 5.3 of the contract; redemptions, loyalty and referrals are none of this server's business. */
function toCustomer(row: CustomerRow, orders: OrderSummary | undefined): Customer {
  const { birthdate, metadata } = row;
  return {
    id: row.id,
    ...(row.source_id !== null && { source_id: row.source_id }),
    ...(row.name !== null && { name: row.name }),
    ...(row.description !== null && { description: row.description }),
    ...(row.email !== null && { email: row.email }),
    ...(row.phone !== null && { phone: row.phone }),
    ...(birthdate !== null && { birthday: birthdate, birthdate }),
    address: row.address && { ...row.address },
    ...(metadata !== null && Object.keys(metadata).length > 0 && { metadata: { ...metadata } }),
    system_metadata: {},
    summary: { redemptions: noRedemptions, orders: toSummary(orders) },
    loyalty: { points: 0, referred_customers: 0, campaigns: {} },
    referrals: { total: 0, campaigns: [] },
    created_at: row.created_at.toISOString(),
    ...(row.updated_at !== null && { updated_at: row.updated_at.toISOString() }),
    assets: {},
    object: 'customer',
  };
}

function toSummary(orders: OrderSummary | undefined): Customer['summary']['orders'] {
  if (orders === undefined) return { total_amount: 0, total_count: 0, average_amount: 0, last_order_amount: 0 };
  return {
    total_amount: orders.total_amount,
    total_count: orders.total_count,
    average_amount: Math.round(orders.total_amount / orders.total_count),
    last_order_amount: orders.last_order_amount,
    last_order_date: orders.last_order_date.toISOString(),
  };
}

const noRedemptions: Customer['summary']['redemptions'] = {
  total_redeemed: 0,
  total_failed: 0,
  total_succeeded: 0,
  total_rolled_back: 0,
  total_rollback_failed: 0,
  total_rollback_succeeded: 0,
  gift: { redeemed_amount: 0, amount_to_go: 0 },
  loyalty_card: { redeemed_points: 0, points_to_go: 0 },
};
