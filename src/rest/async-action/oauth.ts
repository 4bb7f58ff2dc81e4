import type { FastifyInstance } from 'fastify';
import { unauthenticated } from '../../auth/caller.ts';
import { maxLivingTokens, reserveToken } from '../../auth/oauth-tokens.ts';
import { issueScopedToken } from '../../auth/tokens.ts';
import type { GatewayDeps } from '../../deps.ts';
import { takeForm } from '../bodies.ts';
import { callerOf } from '../door.ts';
import type { ErrorBody, OauthToken } from './shapes.ts';

const maxBodyBytes = 16_384;
const seconds = 900;

/** The scopes that a token can be confined to: `api` is all of them, each other one the paths that begin with it. */
export const scopes = [
  'api',
  'async-actions',
  'vouchers',
  'campaigns',
  'customers',
  'products',
  'skus',
  'orders',
  'metadata-schemas',
] as const;

/** `POST /v1/oauth/token` (section 3.2 of the contract): a key pair for a JWT of 15 minutes, confined to scopes. A project has at
 *  most 1,000 that live. */
export function registerOauth(server: FastifyInstance, deps: GatewayDeps): void {
  takeForm(server);
  server.post('/oauth/token', { bodyLimit: maxBodyBytes }, async (request, reply): Promise<OauthToken | ErrorBody> => {
    const { projectId, name, via } = callerOf(request);
    // A token must not make another one: it would never end.
    if (via !== 'KEY') throw unauthenticated();
    const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
    const refuse = (key: string, message: string) =>
      reply.code(400).send({ code: 400, key, message, request_id: request.id });
    if (form.get('grant_type') !== 'client_credentials') return refuse('invalid_grant_type', 'Invalid grant_type');
    const asked = [...new Set((form.get('scope') ?? '').split(' '))].filter((scope) => scope !== '');
    const unknown = asked.filter((scope) => !scopes.some((known) => known === scope));
    if (asked.length === 0 || unknown.length > 0) {
      return refuse('invalid_scope', `Invalid scope: ${unknown.join(',')}`);
    }
    const expires = Math.floor(Date.now() / 1000) + seconds;
    const expiresAt = new Date(expires * 1000);
    const retryAfter = await reserveToken(deps.db, projectId, expiresAt);
    if (retryAfter !== undefined) {
      return reply.code(429).header('retry-after', String(retryAfter)).send(tooManyTokens(request.id));
    }
    const subject = { projectId, appId: name, scopes: asked };
    reply.header('cache-control', 'no-store');
    return {
      access_token: await issueScopedToken(deps.auth.secret, subject, expiresAt),
      client_id: name,
      expires_at: expires,
      expires_in: seconds,
      scope: asked.join(' '),
      token_type: 'Bearer',
    };
  });
}

function tooManyTokens(requestId: string): ErrorBody {
  const details = `A project can have at most ${maxLivingTokens} living tokens; use one that you have, or wait until one expires`;
  return { code: 429, key: 'too_many_tokens', message: 'Too many tokens', details, request_id: requestId };
}
