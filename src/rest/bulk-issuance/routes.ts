import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { takeJson } from '../bodies.ts';
import { openDoor } from '../door.ts';
import type { PollBodies } from '../poll-bodies.ts';
import type { TaskEvents } from '../task-events.ts';
import { registerCardsCsv } from './cards-csv.ts';
import { registerIssuances } from './issuances.ts';
import { toFastApi } from './refusals.ts';
import { registerToken } from './token.ts';

interface Shared {
  readonly bodies: PollBodies;
  readonly events: TaskEvents;
}

/** The paths of the bulk-issuance contract; register it with the prefix `/v2`. */
export async function registerBulkIssuance(server: FastifyInstance, deps: GatewayDeps, shared: Shared): Promise<void> {
  openDoor(server, deps, toFastApi);
  takeJson(server);
  registerIssuances(server, deps, shared);
  registerCardsCsv(server, deps);
  await server.register(async (scope) => registerToken(scope, deps));
}
