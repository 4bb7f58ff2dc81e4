import { jwtVerify, SignJWT } from 'jose';
import { type Caller, unauthenticated } from './caller.ts';

const audience = 'bulkcast';
const algorithm = 'HS256';

/** A JWT that stands for a merchant of one project for `seconds`. */
export async function issueToken(
  secret: string,
  subject: { projectId: string; username: string },
  seconds: number,
): Promise<string> {
  return new SignJWT({ project: subject.projectId })
    .setProtectedHeader({ alg: algorithm })
    .setSubject(subject.username)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime(`${seconds}s`)
    .sign(Buffer.from(secret));
}

/** A JWT that stands for a key pair, confined to these scopes. */
export async function issueScopedToken(
  secret: string,
  subject: { projectId: string; appId: string; scopes: readonly string[] },
  expiresAt: Date,
): Promise<string> {
  return new SignJWT({ project: subject.projectId, scope: subject.scopes.join(' ') })
    .setProtectedHeader({ alg: algorithm })
    .setSubject(subject.appId)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime(expiresAt)
    .sign(Buffer.from(secret));
}

/** Whom a token stands for. Throws UNAUTHENTICATED when it is forged, expired or not ours. */
export async function readToken(secret: string, token: string): Promise<Caller> {
  const { payload } = await jwtVerify(token, Buffer.from(secret), {
    audience,
    algorithms: [algorithm],
    requiredClaims: ['exp', 'sub'],
  }).catch((cause: unknown) => {
    throw Object.assign(unauthenticated(), { cause });
  });
  const { project, sub, exp, scope } = payload;
  if (typeof project !== 'string' || sub === undefined || exp === undefined) throw unauthenticated();
  const scopes = typeof scope === 'string' ? scope.split(' ') : null;
  return { projectId: project, via: 'TOKEN', name: sub, expiresAt: new Date(exp * 1000), scopes };
}
