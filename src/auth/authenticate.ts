import { createHash, timingSafeEqual } from 'node:crypto';
import type { Database } from '../db/client.ts';
import { ClientError } from '../errors.ts';
import { type Caller, type Credentials, unauthenticated } from './caller.ts';
import { readToken } from './tokens.ts';

export interface AuthDeps {
  readonly db: Database;
  readonly secret: string;
}

/**
 * Who these credentials belong to; null when there are none. Throws UNAUTHENTICATED when they are not right, FORBIDDEN when
 * they are confined to scopes among which is neither `scope` nor `api`.
 */
export async function authenticate(deps: AuthDeps, credentials: Credentials, scope?: string): Promise<Caller | null> {
  const caller = await identify(deps, credentials);
  const mayPass = !caller?.scopes || caller.scopes.some((given) => given === 'api' || given === scope);
  if (!mayPass) throw new ClientError('FORBIDDEN', `The token needs the scope api${scope ? ` or ${scope}` : ''}`);
  return caller;
}

async function identify(deps: AuthDeps, credentials: Credentials): Promise<Caller | null> {
  const { appId, appToken, authorization } = credentials;
  if (appId !== undefined || appToken !== undefined) return authenticateKey(deps.db, appId ?? '', appToken ?? '');
  if (authorization === undefined) return null;
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) throw unauthenticated();
  return readToken(deps.secret, token);
}

export function hashAppToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

async function authenticateKey(db: Database, appId: string, appToken: string): Promise<Caller> {
  // Postgres takes no text with a NUL, so no key has one.
  if (appId.includes('\0')) throw unauthenticated();
  const key = await db
    .selectFrom('api_keys')
    .select(['project_id', 'token_hash'])
    .where('app_id', '=', appId)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  const given = hashAppToken(appToken);
  if (key === undefined || !timingSafeEqual(given, key.token_hash)) throw unauthenticated();
  return { projectId: key.project_id, via: 'KEY', name: appId, expiresAt: null, scopes: null };
}
