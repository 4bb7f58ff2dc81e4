import { hash } from 'node:crypto';
import { type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { createLru } from '../lru.ts';
import { type Caller, unauthenticated } from './caller.ts';
import type { PrincipalKind } from './principals.ts';

const audience = 'bulkcast';
/** Its own: whatever reads tokens without knowing of confined ones refuses it. */
const watchAudience = 'bulkcast watch';
const algorithm = 'HS256';
/** How the text of every token of ours begins. */
const header = `${Buffer.from(JSON.stringify({ alg: algorithm })).toString('base64url')}.`;
const maxKnown = 10_000;

/** A JWT that stands for a merchant of one project for `seconds`. */
export async function issueToken(
  secret: string,
  subject: { projectId: string; username: string },
  seconds: number,
): Promise<string> {
  const { projectId, username } = subject;
  return sign(secret, { aud: audience, project: projectId, kind: 'MERCHANT', sub: username }, `${seconds}s`);
}

/** A JWT that stands for a key pair, confined to these scopes. */
export async function issueScopedToken(
  secret: string,
  subject: { projectId: string; appId: string; scopes: readonly string[] },
  expiresAt: Date,
): Promise<string> {
  const { projectId, appId, scopes } = subject;
  const claims = { aud: audience, project: projectId, kind: 'KEY', sub: appId, scope: scopes.join(' ') };
  return sign(secret, claims, expiresAt);
}

/** A JWT that lets its holder watch one task, for as long as the caller's own credentials stand. */
export async function issueWatchToken(
  secret: string,
  caller: Pick<Caller, 'projectId' | 'kind' | 'name'>,
  taskId: string,
  expiresAt: Date,
): Promise<string> {
  const { projectId, kind, name } = caller;
  return sign(secret, { aud: watchAudience, project: projectId, kind, sub: name, task: taskId }, expiresAt);
}

function sign(secret: string, claims: JWTPayload, expires: Date | string): Promise<string> {
  const token = new SignJWT(claims).setProtectedHeader({ alg: algorithm }).setIssuedAt().setExpirationTime(expires);
  return token.sign(Buffer.from(secret));
}

/** Whom a token stands for, by its word alone. Throws UNAUTHENTICATED when it is forged, expired or not ours. */
export type TokenReader = (token: string) => Promise<Caller>;

/** Checks a signature once for as long as it remembers the token, which it does by its hash. */
export function createTokenReader(secret: string): TokenReader {
  const key = Buffer.from(secret);
  const known = createLru<Caller & { readonly expiresAt: Date }>(maxKnown);
  return async (token) => {
    const digest = hash('sha256', token, 'base64');
    const caller = known.get(digest);
    if (caller === undefined) {
      const checked = await checkToken(key, token);
      known.set(digest, checked);
      return checked;
    }
    if (caller.expiresAt.getTime() > Date.now()) return caller;
    known.delete(digest);
    throw unauthenticated();
  };
}

async function checkToken(key: Buffer, token: string): Promise<Caller & { readonly expiresAt: Date }> {
  // The header of a stranger's token would be parsed before the signature is checked, whatever its keys are (see json-text.ts).
  if (!token.startsWith(header)) throw unauthenticated();
  const { payload } = await jwtVerify(token, key, {
    audience: [audience, watchAudience],
    algorithms: [algorithm],
    requiredClaims: ['exp', 'sub'],
  }).catch((cause: unknown) => {
    throw Object.assign(unauthenticated(), { cause });
  });
  const { aud, project, kind, sub, exp, scope, task } = payload;
  const isWatch = aud === watchAudience;
  if (typeof project !== 'string' || !isKind(kind) || sub === undefined || exp === undefined) throw unauthenticated();
  if (isWatch && typeof task !== 'string') throw unauthenticated();
  return {
    projectId: project,
    via: 'TOKEN',
    kind,
    name: sub,
    expiresAt: new Date(exp * 1000),
    scopes: typeof scope === 'string' ? scope.split(' ') : null,
    taskId: isWatch && typeof task === 'string' ? task : null,
  };
}

function isKind(kind: unknown): kind is PrincipalKind {
  return kind === 'KEY' || kind === 'MERCHANT';
}
