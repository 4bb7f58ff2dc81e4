import type { FastifyRequest } from 'fastify';
import type { ClientError, ClientErrorCode } from '../../errors.ts';
import type { LimitStyle } from '../../limits/limit-headers.ts';
import type { Answer, Shape } from '../door.ts';
import type { ErrorBody } from './shapes.ts';

type Texts = Pick<ErrorBody, 'key' | 'message'>;

const texts: Readonly<Record<ClientErrorCode, Texts>> = {
  BAD_USER_INPUT: { key: 'invalid_payload', message: 'Invalid payload' },
  UNAUTHENTICATED: { key: 'unauthorized', message: 'Unauthorized' },
  FORBIDDEN: { key: 'forbidden', message: 'Forbidden' },
  NOT_FOUND: { key: 'not_found', message: 'Resource not found' },
  REQUEST_TIMEOUT: { key: 'request_timeout', message: 'Request timeout' },
  DUPLICATE_FOUND: { key: 'duplicate_found', message: 'Duplicated resource found' },
  IDEMPOTENCY_KEY_IN_USE: { key: 'idempotency_key_in_use', message: 'Idempotency key in use' },
  PAYLOAD_TOO_LARGE: { key: 'payload_too_large', message: 'Payload too large' },
  UNSUPPORTED_MEDIA_TYPE: { key: 'unsupported_media_type', message: 'Unsupported Media Type' },
  IDEMPOTENCY_KEY_REUSED: { key: 'idempotency_key_reused', message: 'Idempotency key reused' },
  RATE_LIMITED: { key: 'rate_limited', message: 'Too many requests hit the API too quickly.' },
  TOO_MANY_UPLOADS: { key: 'too_many_uploads', message: 'Too many uploads' },
  UNAVAILABLE: { key: 'unavailable', message: 'Service unavailable' },
};

/** The issue code of a query parameter: it tells `invalid_query_params` from `invalid_payload`. */
export const invalidQuery = 'INVALID_QUERY_PARAMETER';

/** Issues that the contract tells apart from the rest of their kind. */
const issueTexts: Readonly<Record<string, Texts>> = {
  [invalidQuery]: { key: 'invalid_query_params', message: 'Invalid query params' },
  DUPLICATE_KEY: { key: 'duplicate_key', message: 'Duplicate codes' },
  INVALID_CAMPAIGN: { key: 'invalid_campaign', message: 'Invalid Campaign' },
  INVALID_CODE_CONFIG: { key: 'invalid_code_config', message: 'Invalid code config' },
  INVALID_VOUCHER: { key: 'invalid_voucher', message: 'Invalid Voucher' },
  METADATA_VALIDATION_FAILED: { key: 'metadata_validation_failed', message: 'Metadata validation failed' },
};

/** How the contract tells limits, section 3.2. */
export const limitStyle: LimitStyle = 'x-rate-limit';

/** Refusals as the async-action contract tells them, section 3.1. */
export const toVoucherify: Shape = (refusal, request) => {
  switch (refusal.kind) {
    case 'unknown_path':
      return answer(request, 404, { ...texts.NOT_FOUND, details: 'There is nothing at this path' });
    case 'method_not_allowed':
      return { status: 405, body: methodNotAllowed(request.method, refusal.allowed) };
    case 'internal':
      return answer(request, 500, { key: 'internal_error', message: 'Internal server error' });
    case 'client_error':
      return clientError(refusal.error, request);
  }
};

function clientError(error: ClientError, request: FastifyRequest): Answer {
  if (error.code === 'UNAUTHENTICATED') return { status: 401, body: { code: 401, ...texts.UNAUTHENTICATED } };
  if (error.code === 'RATE_LIMITED') return { status: 429, body: { code: 429, message: texts.RATE_LIMITED.message } };
  if (error.code === 'PAYLOAD_TOO_LARGE') return { status: 413, body: tooLarge(request.routeOptions.bodyLimit) };
  const special = error.issues.map((issue) => issueTexts[issue.code]).find((found) => found !== undefined);
  const { key, message } = special ?? texts[error.code];
  const { resource } = error;
  return answer(request, error.status, {
    key,
    message,
    details: error.message,
    ...(resource && { resource_id: resource.id, resource_type: resource.type }),
  });
}

function answer(request: FastifyRequest, status: number, rest: Omit<ErrorBody, 'code' | 'request_id'>) {
  const { resource_id, resource_type, ...texts } = rest;
  const resource = resource_id === undefined ? {} : { resource_id, resource_type };
  const body: ErrorBody = { code: status, ...texts, request_id: request.id, ...resource };
  return { status, body };
}

function methodNotAllowed(method: string, allowed: readonly string[]): ErrorBody {
  const others = new Intl.ListFormat('en', { type: 'disjunction' }).format(allowed.filter((name) => name !== 'HEAD'));
  return {
    code: 405,
    message: 'HTTP Method Not Allowed',
    details: `${method} is not supported by this endpoint. Did you mean ${others}?`,
  };
}

function tooLarge(maxBodyBytes: number | undefined) {
  const message = `Payload content length greater than maximum allowed: ${maxBodyBytes}`;
  return { statusCode: 413, error: 'Request Entity Too Large', message };
}
