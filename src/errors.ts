/** Every code a client can see, with the HTTP status that goes with it. The README lists exactly these. */
export const clientErrors = {
  BAD_USER_INPUT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  REQUEST_TIMEOUT: 408,
  DUPLICATE_FOUND: 409,
  IDEMPOTENCY_KEY_IN_USE: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  IDEMPOTENCY_KEY_REUSED: 422,
  RATE_LIMITED: 429,
  TOO_MANY_UPLOADS: 503,
  UNAVAILABLE: 503,
} as const;

export type ClientErrorCode = keyof typeof clientErrors;

/** One thing that is wrong with a request: where (a path into its input), a stable code, and what to do about it. */
export interface InputIssue {
  readonly path: readonly (string | number)[];
  readonly code: string;
  readonly message: string;
  readonly input?: unknown;
  readonly limits?: Readonly<Record<string, unknown>>;
}

/** What a client did wrong or must wait for. Each door shows it as it is, in its own shape; anything else thrown is masked. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  readonly issues: readonly InputIssue[];
  /** Which kind of thing was not found, and its id: `voucher`, `async_action`, `campaign`, … */
  readonly resource: { readonly type: string; readonly id: string } | undefined;
  /** In how many seconds the same request may be taken. */
  readonly retryAfter: number | undefined;

  constructor(
    code: ClientErrorCode,
    message: string,
    options: {
      issues?: readonly InputIssue[];
      resource?: { type: string; id: string };
      retryAfter?: number;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.issues = options.issues ?? [];
    this.resource = options.resource;
    this.retryAfter = options.retryAfter;
  }

  get status(): number {
    return clientErrors[this.code];
  }
}

/** The input does not fit: BAD_USER_INPUT with one issue. */
export function badInput(path: InputIssue['path'], code: string, message: string, input?: unknown): ClientError {
  return new ClientError('BAD_USER_INPUT', message, { issues: [{ path, code, message, input }] });
}

/** The thing does not exist, or belongs to somebody else: the two are never told apart. */
export function notFound(type: string, id: string): ClientError {
  return new ClientError('NOT_FOUND', `Cannot find ${type} with id ${id}`, { resource: { type, id } });
}

/** It is there already, under an id or name that only one can have. */
export function duplicateFound(type: string, id: string): ClientError {
  return new ClientError('DUPLICATE_FOUND', `Duplicated ${type} exists with id ${id}`, { resource: { type, id } });
}

/** SQLSTATEs of a text that Postgres cannot hold (NUL above all). */
const unstorableText = ['22021', '22P05'];

/** Of a database that is away, starting or stopping, out of connections, disk or memory, or in the middle of a conflict. */
const awayCodes = /^(ECONN\w+|ETIMEDOUT|EPIPE|EHOSTUNREACH|08...|53...|57P..|58030|25P03|40001|40P01|55P03|57014)$/;
const awayMessages = [
  'timeout exceeded when trying to connect',
  'Connection terminated',
  'Client has encountered a connection error',
];

/** What a thrown value says to a client: a client error as it is, a text that cannot be stored as BAD_USER_INPUT, a
 *  database that cannot do it now as UNAVAILABLE. Undefined for everything else, which is a bug or an outage and must be masked. */
export function toClientError(error: unknown): ClientError | undefined {
  if (error instanceof ClientError) return error;
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? String(error.code) : '';
  if (awayCodes.test(code) || awayMessages.some((known) => error.message.startsWith(known))) {
    return new ClientError('UNAVAILABLE', 'The service cannot do this now; try again in a moment', { cause: error });
  }
  if (!unstorableText.some((known) => known === code)) return undefined;
  return new ClientError('BAD_USER_INPUT', 'A text must not contain NUL', { cause: error });
}
