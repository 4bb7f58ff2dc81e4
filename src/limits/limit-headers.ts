import type { Caller } from '../auth/caller.ts';
import type { RateLimit } from './rate-limits.ts';
import { rateLimited, type Taken } from './taken.ts';

/** `RateLimit` and `RateLimit-Policy` after the IETF draft; the async-action contract has `X-Rate-Limit-*` besides. */
export type LimitStyle = 'standard' | 'x-rate-limit';

/** What headers tell of a limit, names and values by turns. Without a limit, nothing. */
export function limitHeaders({ policy, type }: RateLimit, taken: Taken | undefined, style: LimitStyle): string[] {
  if (policy === undefined || taken === undefined) return [];
  const { name, limit, remaining, leftMs } = taken;
  const headers = ['ratelimit-policy', policy, 'ratelimit', `"${name}";r=${remaining};t=${Math.ceil(leftMs / 1000)}`];
  if (style === 'standard') return headers;
  const nextAt = remaining > 0 ? Date.now() : Date.now() + leftMs;
  headers.push('x-rate-limit-limit', String(limit), 'x-rate-limit-remaining', String(remaining));
  headers.push('x-rate-limit-retry', String(Math.ceil(nextAt / 1000)), 'x-rate-limit-type', type);
  return headers;
}

/** Where headers go. */
interface Reply {
  header(name: string, value: string): unknown;
}

/** Counts one and tells so in the headers, at once where it can. Throws RATE_LIMITED when none is left. */
export function takeAndTell(
  limit: RateLimit,
  caller: Caller,
  reply: Reply,
  style: LimitStyle = 'standard',
): Promise<void> | undefined {
  const settle = (taken: Taken | undefined) => {
    tellLimit(reply, limit, taken, style);
    if (taken?.isGranted === false) throw rateLimited(taken);
  };
  const taken = limit.take(caller);
  if (taken instanceof Promise) return taken.then(settle);
  settle(taken);
  return undefined;
}

export function tellLimit(reply: Reply, limit: RateLimit, taken: Taken | undefined, style: LimitStyle): void {
  const headers = limitHeaders(limit, taken, style);
  for (let at = 0; at < headers.length; at += 2) reply.header(headers[at] ?? '', headers[at + 1] ?? '');
}
