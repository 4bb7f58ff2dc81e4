import type { Database } from '../db/client.ts';
import type { Log } from '../log.ts';
import { openPrincipals, type Principals } from './principals.ts';
import { openStandings, type Standings } from './standings.ts';
import { createTokenReader, type TokenReader } from './tokens.ts';

/** What a gateway knows of credentials, for all its doors. */
export interface Auth {
  /** Signs tokens. */
  readonly secret: string;
  readonly principals: Principals;
  readonly readToken: TokenReader;
  readonly standings: Standings;
  /** May be called twice. */
  stop(): Promise<void>;
}

export interface AuthOptions {
  readonly db: Database;
  readonly log: Log;
  readonly secret: string;
  /** How old what is known of a key or merchant may be. */
  readonly maxAgeMs: number;
}

export function openAuth({ db, log, secret, maxAgeMs }: AuthOptions): Auth {
  const principals = openPrincipals({ db, maxAgeMs });
  const standings = openStandings({ principals, log, everyMs: maxAgeMs });
  return { secret, principals, readToken: createTokenReader(secret), standings, stop: () => standings.stop() };
}
