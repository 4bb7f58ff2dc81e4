import { hash, timingSafeEqual } from 'node:crypto';
import { ClientError } from '../errors.ts';
import type { Auth } from './auth.ts';
import { type Caller, type Credentials, unauthenticated } from './caller.ts';
import type { Principal } from './principals.ts';

/**
 * Who these credentials belong to, at once where that is known already; null when there are none. Throws UNAUTHENTICATED when
 * they are not right or not valid any more, FORBIDDEN when they are confined to scopes among which is neither `scope` nor `api`.
 */
export function authenticate(
  auth: Pick<Auth, 'principals' | 'readToken'>,
  credentials: Credentials,
  scope?: string,
): Caller | null | Promise<Caller | null> {
  const caller = identify(auth, credentials);
  return caller instanceof Promise ? caller.then((found) => admit(found, scope)) : admit(caller, scope);
}

function admit(caller: Caller | null, scope: string | undefined): Caller | null {
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
  const isRight = (principal: Principal) => isTokenOf(principal, appToken);
  const known = principals.peek('KEY', appId, isRight);
  return known === undefined ? principals.find('KEY', appId, isRight).then(callerOfKey) : callerOfKey(known);
}

/** The tokens that were found right, for as long as what is known of their principals: hashing is most of what a check costs. */
const rightTokens = new WeakMap<Principal, Buffer>();

function isTokenOf(principal: Principal, appToken: string): boolean {
  if (principal.tokenHash === null) return false;
  const given = Buffer.from(appToken);
  const right = rightTokens.get(principal);
  if (right !== undefined) return right.length === given.length && timingSafeEqual(right, given);
  const isRight = timingSafeEqual(hashAppToken(appToken), principal.tokenHash);
  if (isRight) rightTokens.set(principal, given);
  return isRight;
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
