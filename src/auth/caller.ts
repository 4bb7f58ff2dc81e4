import { ClientError } from '../errors.ts';
import type { PrincipalKind } from './principals.ts';

/** Who is calling, and for which project: all that a door may show is confined to it. */
export interface Caller {
  readonly projectId: string;
  readonly via: 'KEY' | 'TOKEN';
  /** Whose credentials they are, or whom the token stands for. */
  readonly kind: PrincipalKind;
  /** The app id or the merchant's user name. */
  readonly name: string;
  /** When a token ends; a key pair does not. */
  readonly expiresAt: Date | null;
  /** What the caller is confined to; null: to nothing. `api` stands for everything. */
  readonly scopes: readonly string[] | null;
  /** The one task that the caller may watch, and nothing else; null: no such bound. */
  readonly taskId: string | null;
}

/** What a request or the `connectionParams` of a WebSocket carried. */
export interface Credentials {
  readonly appId?: string | undefined;
  readonly appToken?: string | undefined;
  readonly authorization?: string | undefined;
}

/** Reads `X-App-Id`, `X-App-Token` and `Authorization`, in any case, from headers or connection parameters. */
export function readCredentials(source: Readonly<Record<string, unknown>> | null | undefined): Credentials {
  const found: { appId?: string; appToken?: string; authorization?: string } = {};
  for (const [name, value] of Object.entries(source ?? {})) {
    if (typeof value !== 'string' || value === '') continue;
    const property = properties.get(name) ?? properties.get(name.toLowerCase());
    if (property !== undefined) found[property] = value;
  }
  return found;
}

const properties = new Map<string, keyof Credentials>([
  ['x-app-id', 'appId'],
  ['x-app-token', 'appToken'],
  ['authorization', 'authorization'],
]);

/** True when `other` may do all that `caller` may, in the same project. */
export function coversCaller(other: Caller, caller: Caller): boolean {
  const coversTask = other.taskId === null || other.taskId === caller.taskId;
  const coversScopes =
    other.scopes === null ||
    other.scopes.includes('api') ||
    (caller.scopes?.every((scope) => other.scopes?.includes(scope)) ?? false);
  return other.projectId === caller.projectId && coversTask && coversScopes;
}

/** The answer to credentials that are missing or not right. */
export function unauthenticated(): ClientError {
  return new ClientError(
    'UNAUTHENTICATED',
    'Send X-App-Id and X-App-Token, or Authorization: Bearer with a valid token',
  );
}

/** The answer to a watch token that is used for anything but to watch its task. */
export function onlyWatches(): ClientError {
  return new ClientError('FORBIDDEN', 'A watch token shows how its task is getting on, and nothing else');
}
