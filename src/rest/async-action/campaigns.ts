import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { createCampaign } from '../../domain/campaign-creation.ts';
import { addVoucher, type GenerationSpec } from '../../domain/campaign-generation.ts';
import { campaignInput, campaignKinds } from '../../domain/campaign-input.ts';
import { addedVouchersBody } from '../../domain/campaign-voucher-input.ts';
import {
  type CampaignWithCount,
  campaignOrders,
  listCampaigns,
  requireCampaign,
  requireLocked,
} from '../../domain/campaigns.ts';
import { findVoucher } from '../../domain/voucher-reads.ts';
import { createCampaignVouchers, generateCampaignVouchers } from '../../operations/generate-campaign-vouchers.ts';
import { updateCampaignVouchers } from '../../operations/update-campaign-vouchers.ts';
import type { AnyOperation } from '../../tasks/operation.ts';
import type { Snapshot } from '../../tasks/snapshot.ts';
import { startTask } from '../../tasks/start.ts';
import { callerOf, takeStart } from '../door.ts';
import { readStarter } from '../starter.ts';
import { describeCampaign } from './campaign-body.ts';
import type { Campaign, CampaignList } from './campaign-shapes.ts';
import { invalidParameter, readChoice, readPage } from './paging.ts';
import { checkBody, checkInput } from './payload.ts';
import type { Started, Voucher } from './shapes.ts';
import { describeVoucher } from './vouchers.ts';

interface One {
  readonly Params: { readonly campaignId: string };
}
interface OneCode {
  readonly Params: { readonly campaignId: string; readonly code: string };
}
interface Add extends One {
  readonly Querystring: { readonly vouchers_count?: unknown };
}
interface List {
  readonly Querystring: Readonly<Record<string, unknown>>;
}

/** Campaigns: create, read, list, and the starts that do not answer with an action alone. */
export function registerCampaigns(server: FastifyInstance, deps: GatewayDeps): void {
  server.post('/campaigns', async (request, reply): Promise<Campaign> => create(deps, { request, reply }));
  server.get<List>('/campaigns', async (request): Promise<CampaignList> => {
    const { projectId } = callerOf(request);
    const { campaigns, total } = await listCampaigns(deps.db, projectId, readList(request.query));
    return { object: 'list', data_ref: 'campaigns', campaigns: campaigns.map(describeCampaign), total };
  });
  server.get<One>('/campaigns/:campaignId', async (request): Promise<Campaign> => {
    return describeCampaign(await find(deps, request, request.params.campaignId));
  });
  server.put<One>('/campaigns/:campaignId', async (request, reply): Promise<Campaign> => {
    return update(deps, { request, reply }, request.params.campaignId);
  });
  server.post<Add>('/campaigns/:campaignId/vouchers', async (request, reply) => {
    const { campaignId } = request.params;
    const count = readCount(request.query.vouchers_count);
    const body = readAdded(request);
    if (count === 1) return addOne(deps, request, campaignId, body);
    const given = { ...body, campaign_id: campaignId, vouchers_count: count };
    const input = checkInput(generateCampaignVouchers, given, body);
    const task = await start(deps, { request, reply }, generateCampaignVouchers, input);
    return reply.code(202).send({ async_action_id: task.id } satisfies Started);
  });
  server.post<OneCode>('/campaigns/:campaignId/vouchers/:code', async (request): Promise<Voucher> => {
    const { campaignId, code } = request.params;
    return addOne(deps, request, campaignId, checkBody(addedVouchersBody, { ...readAdded(request), code }));
  });
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** The campaign, with what it needs at once: nothing, one voucher, or the task that generates several. */
async function create(deps: GatewayDeps, exchange: Exchange): Promise<Campaign> {
  const { request } = exchange;
  const { projectId } = callerOf(request);
  const input = checkBody(campaignInput, request.body ?? {});
  if ((input.vouchers_count ?? 0) > 1) {
    const task = await start(deps, exchange, createCampaignVouchers, input);
    const campaign = await find(deps, request, String(task.parameters.campaignId));
    const accepted = { creation_status: 'IN_PROGRESS', vouchers_generation_status: 'IN_PROGRESS' } as const;
    return describeCampaign({ ...campaign, ...accepted, vouchers_count: 0 });
  }
  const { id } = await deps.db.transaction().execute(async (tx) => {
    const campaign = await createCampaign(tx, projectId, input);
    if (input.vouchers_count === 1) await addVoucher(tx, campaign, {});
    return campaign;
  });
  return describeCampaign(await find(deps, request, id));
}

/** The campaign as it is when the update is accepted, also where nothing was to be done or a worker was as fast. */
async function update(deps: GatewayDeps, exchange: Exchange, idOrName: string): Promise<Campaign> {
  const { request } = exchange;
  const body = request.body ?? {};
  const given = isObject(body) ? { ...body, campaign_id: idOrName } : body;
  const task = await start(deps, exchange, updateCampaignVouchers, checkInput(updateCampaignVouchers, given, body));
  const campaign = await find(deps, request, String(task.parameters.campaignId));
  return describeCampaign({ ...campaign, creation_status: 'MODIFYING', vouchers_generation_status: 'MODIFYING' });
}

async function addOne(
  deps: GatewayDeps,
  request: FastifyRequest,
  campaignId: string,
  spec: GenerationSpec,
): Promise<Voucher> {
  const { projectId } = callerOf(request);
  return deps.db.transaction().execute(async (tx) => {
    const code = await addVoucher(tx, await requireLocked(tx, projectId, campaignId), spec);
    const voucher = await findVoucher(tx, projectId, code);
    if (voucher === undefined) throw new Error('a voucher that was just written is gone');
    return describeVoucher(voucher);
  });
}

async function find(deps: GatewayDeps, request: FastifyRequest, idOrName: string): Promise<CampaignWithCount> {
  return requireCampaign(deps.db, callerOf(request).projectId, idOrName);
}

async function start(
  deps: GatewayDeps,
  { request, reply }: Exchange,
  operation: AnyOperation,
  input: unknown,
): Promise<Snapshot> {
  await takeStart(request);
  return startTask(deps.engine, {
    operation,
    input,
    ...readStarter(request, reply),
  });
}

/** What vouchers to add are given. An official client's test sends a bare number: whatever is no object, is none. */
function readAdded({ body }: FastifyRequest): GenerationSpec {
  return checkBody(addedVouchersBody, isObject(body) ? body : {});
}

function readList(query: List['Querystring']) {
  const unsupported = Object.keys(query).find((name) =>
    /^(campaign_status|is_referral_code|access_settings|filters)/.test(name),
  );
  // To leave it out would answer with campaigns that were not asked for.
  if (unsupported !== undefined) throw invalidParameter(unsupported, 'is not supported');
  return {
    kind: readChoice(query, 'campaign_type', campaignKinds),
    order: readChoice(query, 'order', campaignOrders) ?? '-created_at',
    ...readPage(query),
  };
}

/** How many vouchers to add; default 1. */
function readCount(given: unknown): number {
  if (given === undefined) return 1;
  const count = typeof given === 'string' && /^-?\d{1,15}$/.test(given) ? Number(given) : undefined;
  if (count === undefined) throw invalidParameter('vouchers_count', 'should be integer');
  if (count < 1) throw invalidParameter('vouchers_count', 'cannot be lower than 1');
  return count;
}

function isObject(body: unknown): body is object {
  return typeof body === 'object' && body !== null && !Array.isArray(body);
}
