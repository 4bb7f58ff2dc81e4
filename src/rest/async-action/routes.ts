import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { tellLimit } from '../../limits/limit-headers.ts';
import { takeJson } from '../bodies.ts';
import { openDoor } from '../door.ts';
import type { PollBodies } from '../poll-bodies.ts';
import type { TaskEvents } from '../task-events.ts';
import { registerActions } from './actions.ts';
import { registerCampaigns } from './campaigns.ts';
import { registerCustomers } from './customers.ts';
import { registerMetadataSchemas } from './metadata-schemas.ts';
import { registerOauth } from './oauth.ts';
import { registerOrders } from './orders.ts';
import { registerProducts } from './products.ts';
import { limitStyle, toVoucherify } from './refusals.ts';
import { registerReports } from './reports.ts';
import { registerSkus } from './skus.ts';
import { registerCsvStarts, registerJsonStarts } from './starts.ts';
import { registerVouchers } from './vouchers.ts';

interface Shared {
  readonly bodies: PollBodies;
  readonly events: TaskEvents;
}

/** The paths of the async-action contract; register it with the prefix `/v1`. */
export async function registerAsyncActions(server: FastifyInstance, deps: GatewayDeps, shared: Shared): Promise<void> {
  openDoor(server, deps, toVoucherify, { scopeOf, limitStyle });
  // Every answer tells them, also one to who is not known to call.
  server.addHook('onSend', async (_request, reply) => {
    const { calls } = deps.limits;
    if (!reply.hasHeader('x-rate-limit-limit')) tellLimit(reply, calls, calls.untouched, limitStyle);
  });
  takeJson(server);
  registerActions(server, deps, shared);
  registerReports(server, deps);
  registerOrders(server, deps);
  registerVouchers(server, deps);
  registerCampaigns(server, deps);
  registerMetadataSchemas(server, deps);
  registerCustomers(server, deps);
  registerProducts(server, deps);
  registerSkus(server, deps);
  registerJsonStarts(server, deps);
  await server.register(async (scope) => registerCsvStarts(scope, deps));
  await server.register(async (scope) => registerOauth(scope, deps));
}

/** The scopes of the contract are named as the paths are: `orders` is for what lies below `/v1/orders`. */
function scopeOf(request: FastifyRequest): string {
  return request.routeOptions.url?.split('/')[2] ?? '';
}
