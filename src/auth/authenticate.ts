import { hash, timingSafeEqual } from 'node:crypto';
import { ClientError } from '../errors.ts';
import type { Auth } from './auth.ts';
import { type Caller, type Credentials, unauthenticated } from './caller.ts';
import type { Principal } from './principals.ts';

/**
 * Who these credentials belong to; null when there are none. Throws UNAUTHENTICATED when they are not right or not valid any
 * more, FORBIDDEN when they are confined to scopes among which is neither `scope` nor `api`.
 */
export async function authenticate(
  auth: Pick<Auth, 'principals' | 'readToken'>,
  credentials: Credentials,
  scope?: string,
): Promise<Caller | null> {
  const found = identify(auth, credentials);
  // Whoever is known already is not waited for.
  const caller = found instanceof Promise ? await found : found;
  const mayPass = !caller?.scopes || caller.scopes.some((given) => given === 'api' || given === scope);
  if (!mayPass) throw new ClientError('FORBIDDEN', `The token needs the scope api${scope ? ` or ${scope}` : ''}`);
  return caller;
}

function identify(
  auth: Pick<Auth, 'principals' | 'readToken'>,
  credentials: Credentials,
): Caller | null | Promise<Caller> {
  const { appId, appToken, authorization } = credentials;
  if (appId !== undefined || appToken !== undefined) return authenticateKey(auth, appId ?? '', appToken ?? '');
  if (authorization === undefined) return null;
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) throw unauthenticated();
  return authenticateToken(auth, token);
}

export function hashAppToken(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}

function authenticateKey(
  { principals }: Pick<Auth, 'principals'>,
  appId: string,
  appToken: string,
): Caller | Promise<Caller> {
  // Postgres takes no text with a NUL, so no key has one.
  if (appId.includes('\0')) throw unauthenticated();
  const given = hashAppToken(appToken);
  const isRight = ({ tokenHash }: Principal) => tokenHash !== null && timingSafeEqual(given, tokenHash);
  const known = principals.peek('KEY', appId, isRight);
  return known === undefined ? principals.find('KEY', appId, isRight).then(callerOfKey) : callerOfKey(known);
}

function callerOfKey(key: Principal | undefined): Caller {
  if (key === undefined) throw unauthenticated();
  const { projectId, kind, name } = key;
  return { projectId, via: 'KEY', kind, name, expiresAt: null, scopes: null, taskId: null };
}

/** A token is as good as whom it stands for: it ends with the key or the merchant. */
async function authenticateToken(auth: Pick<Auth, 'principals' | 'readToken'>, token: string): Promise<Caller> {
  const caller = await auth.readToken(token);
  const isRight = ({ projectId }: { projectId: string }) => projectId === caller.projectId;
  const principal = await auth.principals.find(caller.kind, caller.name, isRight);
  if (principal === undefined) throw unauthenticated();
  return caller;
}
