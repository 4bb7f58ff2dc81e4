import type { Database } from '../db/client.ts';
import { openPrincipals, type Principals } from './principals.ts';
import { createTokenReader, type TokenReader } from './tokens.ts';

/** What a gateway knows of credentials, for all its doors. */
export interface Auth {
  /** Signs tokens. */
  readonly secret: string;
  readonly principals: Principals;
  readonly readToken: TokenReader;
}

export interface AuthOptions {
  readonly db: Database;
  readonly secret: string;
  /** How old what is known of a key or merchant may be. */
  readonly maxAgeMs: number;
}

export function openAuth({ db, secret, maxAgeMs }: AuthOptions): Auth {
  return { secret, principals: openPrincipals({ db, maxAgeMs }), readToken: createTokenReader(secret) };
}
