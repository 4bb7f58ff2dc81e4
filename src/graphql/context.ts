import type { Caller } from '../auth/caller.ts';
import { unauthenticated } from '../auth/caller.ts';
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

/** Who is calling. Throws UNAUTHENTICATED when nobody has said so. */
export function requireCaller(context: Context): Caller {
  if (context.caller === null) throw unauthenticated();
  return context.caller;
}
