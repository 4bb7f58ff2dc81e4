import type { FastifyInstance } from 'fastify';
import { findMerchant } from '../../auth/merchants.ts';
import { issueToken } from '../../auth/tokens.ts';
import type { GatewayDeps } from '../../deps.ts';
import { ClientError, type InputIssue } from '../../errors.ts';
import { takeForm } from '../bodies.ts';
import { missing, patternMismatch } from './pydantic.ts';
import type { Token } from './shapes.ts';

const maxBodyBytes = 16_384;
const maxUsernameCharacters = 200;
/** A password check takes a tenth of a second and 32 MB; four at a time would leave no
 *  thread for files and uploads. */
const maxSignIns = 3;

/** `POST /v2/token`: a merchant's name and password for a JWT. */
export function registerToken(server: FastifyInstance, deps: GatewayDeps): void {
  let signIns = 0;
  takeForm(server);
  const options = { config: { isPublic: true }, bodyLimit: maxBodyBytes };
  server.post('/token', options, async (request, reply): Promise<Token> => {
    const { username, password } = readForm(request.body);
    if (signIns >= maxSignIns)
      throw new ClientError('UNAVAILABLE', 'Too many sign-ins at a time; try again in a moment');
    signIns += 1;
    try {
      const attempt = await deps.limits.signIns.begin(request.ip, username);
      const accessToken = await signIn(deps, username, password);
      attempt.succeeded();
      reply.header('cache-control', 'no-store');
      return { accessToken, tokenType: 'bearer', mfaPending: false, pendingToken: null };
    } finally {
      signIns -= 1;
    }
  });
}

async function signIn(deps: GatewayDeps, username: string, password: string): Promise<string> {
  const canExist = username.length <= maxUsernameCharacters && !username.includes('\0');
  const merchant = canExist ? await findMerchant(deps.db, username, password) : undefined;
  if (merchant === undefined) throw new ClientError('UNAUTHENTICATED', 'Incorrect username or password');
  const subject = { projectId: merchant.projectId, username };
  return issueToken(deps.auth.secret, subject, deps.config.BULKCAST_TOKEN_SECONDS);
}

function readForm(body: unknown): { username: string; password: string } {
  const form = body instanceof URLSearchParams ? body : new URLSearchParams();
  const username = form.get('username');
  const password = form.get('password');
  const grantType = form.get('grant_type');
  const issues: InputIssue[] = [];
  if (grantType !== null && grantType !== 'password') {
    issues.push(patternMismatch(['body', 'grant_type'], '^password$', grantType));
  }
  if (!username) issues.push(missing(['body', 'username'], null));
  if (!password) issues.push(missing(['body', 'password'], null));
  if (!username || !password || issues.length > 0) {
    throw new ClientError('BAD_USER_INPUT', 'The form is not valid', { issues });
  }
  return { username, password };
}
