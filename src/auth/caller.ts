import { ClientError } from '../errors.ts';

/** Who is calling, and for which project: all that a door may show is confined to it. */
export interface Caller {
  readonly projectId: string;
  readonly via: 'KEY' | 'TOKEN';
  /** The app id or the merchant's user name. */
  readonly name: string;
  /** When a token ends; a key pair does not. */
  readonly expiresAt: Date | null;
  /** What the caller is confined to; null: to nothing. `api` stands for everything. */
  readonly scopes: readonly string[] | null;
}

/** What a request or the `connectionParams` of a WebSocket carried. */
export interface Credentials {
  readonly appId?: string | undefined;
  readonly appToken?: string | undefined;
  readonly authorization?: string | undefined;
}

/** Reads `X-App-Id`, `X-App-Token` and `Authorization`, in any case, from headers or connection parameters. */
export function readCredentials(source: Readonly<Record<string, unknown>> | null | undefined): Credentials {
  const lower = new Map(Object.entries(source ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const read = (name: string) => {
    const value = lower.get(name);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  return { appId: read('x-app-id'), appToken: read('x-app-token'), authorization: read('authorization') };
}

/** The answer to credentials that are missing or not right. */
export function unauthenticated(): ClientError {
  return new ClientError(
    'UNAUTHENTICATED',
    'Send X-App-Id and X-App-Token, or Authorization: Bearer with a valid token',
  );
}
