import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { takeJson } from '../bodies.ts';
import { openDoor } from '../door.ts';
import { registerActions } from './actions.ts';
import { voucherifyShape } from './refusals.ts';
import { registerReports } from './reports.ts';
import { registerCsvStarts, registerJsonStarts } from './starts.ts';
import { registerVouchers } from './vouchers.ts';

/** The paths of the async-action contract; register it with the prefix `/v1`. */
export async function registerAsyncActions(server: FastifyInstance, deps: GatewayDeps): Promise<void> {
  const { config } = deps;
  openDoor(server, deps, voucherifyShape(config.BULKCAST_MAX_BODY_BYTES));
  takeJson(server);
  registerActions(server, deps);
  registerReports(server, deps);
  registerVouchers(server, deps);
  registerJsonStarts(server, deps);
  await server.register(async (scope) => registerCsvStarts(scope, deps));
}
