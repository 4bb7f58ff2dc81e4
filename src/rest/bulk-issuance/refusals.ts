import type { FastifyRequest } from 'fastify';
import type { ClientError, ClientErrorCode, InputIssue } from '../../errors.ts';
import type { Answer, Refusal } from '../door.ts';
import type { ValidationError } from './shapes.ts';

/** Refusals as the bulk-issuance contract tells them: FastAPI's `{"detail": …}`, a list of Pydantic errors for bad input. */
export function toFastApi(refusal: Refusal, request: FastifyRequest): Answer {
  switch (refusal.kind) {
    case 'unknown_path':
      return { status: 404, body: { detail: 'Not Found' } };
    case 'method_not_allowed':
      return { status: 405, body: { detail: 'Method Not Allowed' } };
    case 'internal':
      return { status: 500, body: { detail: `Internal Server Error; request ${request.id}` } };
    case 'client_error':
      return clientError(refusal.error);
  }
}

const fixedTexts: Partial<Record<ClientErrorCode, string>> = {
  UNAUTHENTICATED: 'Not authenticated',
  UNSUPPORTED_MEDIA_TYPE: 'Unsupported Media Type',
};

function clientError(error: ClientError): Answer {
  const issues = error.code === 'IDEMPOTENCY_KEY_REUSED' ? [keyReused(error)] : error.issues;
  if (issues.length > 0) return { status: 422, body: { detail: issues.map(toValidationError) } };
  if (error.code === 'BAD_USER_INPUT') return { status: 400, body: { detail: error.message } };
  // Another project's program and an unknown one are not told apart.
  if (error.resource?.type === 'program') return { status: 403, body: { detail: 'Not authorized for this program' } };
  return { status: error.status, body: { detail: fixedTexts[error.code] ?? error.message } };
}

const keyHeader = ['header', 'Idempotency-Key'];

function keyReused(error: ClientError): InputIssue {
  return { path: keyHeader, code: 'idempotency_key_reused', message: error.message };
}

/** Issues with a code in lower case are Pydantic's words already; the others come from the engine. */
function toValidationError(issue: InputIssue): ValidationError {
  const { path, code, message } = issue;
  if (code === 'INVALID_JSON') {
    const position = Number(issue.limits?.position ?? 0);
    return {
      loc: ['body', position],
      msg: 'JSON decode error',
      type: 'json_invalid',
      input: {},
      ctx: { error: message },
    };
  }
  if (path.join('.') === 'expiresAt') {
    const future = { msg: 'Input should be in the future', type: 'datetime_future', input: issue.input };
    return { loc: ['body', ...path], ...future };
  }
  const isEngines = /^[A-Z]/.test(code);
  const ofHeader = path[0] === 'header' ? [...path] : ['body', ...path];
  const engineLoc = code === 'INVALID_IDEMPOTENCY_KEY' ? keyHeader : ofHeader;
  return {
    loc: isEngines ? engineLoc : [...path],
    msg: isEngines ? `Value error, ${message}` : message,
    type: isEngines ? 'value_error' : code,
    ...('input' in issue && isSmall(issue.input) && { input: issue.input }),
    ...(isEngines ? { ctx: { error: {} } } : issue.limits && { ctx: { ...issue.limits } }),
  };
}

const maxEchoedCharacters = 1000;

/** A body of 10 MB with a thousand mistakes is not sent back a thousand times. */
function isSmall(input: unknown): boolean {
  if (typeof input === 'string') return input.length <= maxEchoedCharacters;
  if (typeof input !== 'object' || input === null) return true;
  if (Object.keys(input).length > maxEchoedCharacters) return false;
  return JSON.stringify(input).length <= maxEchoedCharacters;
}
