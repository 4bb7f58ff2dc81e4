import { type Caller, onlyWatches, unauthenticated } from '../auth/caller.ts';
import type { Database } from '../db/client.ts';
import type { GatewayDeps } from '../deps.ts';

/** What every resolver gets: one operation of one caller, over whichever transport. */
export interface Context {
  readonly deps: GatewayDeps;
  /** Null without credentials: enough for introspection, for nothing else. */
  readonly caller: Caller | null;
  /** Told in every error and stored with a task that this operation starts. */
  readonly requestId: string;
  readonly transport: 'http' | 'websocket';
}

/** What the resolvers of one caller are given: all reads of a project share a few connections to the database. */
export function depsOf(deps: GatewayDeps, caller: Caller | null): GatewayDeps {
  if (caller === null) return deps;
  const db = deps.projectReads.of(caller.projectId);
  const ofGateway = projectDeps.get(deps) ?? new WeakMap<Database, GatewayDeps>();
  projectDeps.set(deps, ofGateway);
  const known = ofGateway.get(db) ?? { ...deps, db };
  ofGateway.set(db, known);
  return known;
}

/** Made once: equal contexts share what is pushed. */
const projectDeps = new WeakMap<GatewayDeps, WeakMap<Database, GatewayDeps>>();

/** Who is calling, where more is shown or done than how one task is getting on. Throws UNAUTHENTICATED when nobody has said so,
 *  FORBIDDEN to a watch token. */
export function requireCaller({ caller }: Context): Caller {
  if (caller === null) throw unauthenticated();
  if (caller.taskId !== null) throw onlyWatches();
  return caller;
}

/** Who is calling to see how this task is getting on; undefined when it may watch another one only, for which this task does
 *  not exist. Throws UNAUTHENTICATED when nobody has said so. */
export function requireWatcher({ caller }: Context, taskId: string): Caller | undefined {
  if (caller === null) throw unauthenticated();
  return caller.taskId === null || caller.taskId === taskId ? caller : undefined;
}
