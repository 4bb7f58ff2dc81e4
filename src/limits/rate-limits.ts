import type { Caller } from '../auth/caller.ts';
import { keyOf } from '../auth/principals.ts';
import type { Config } from '../config.ts';
import { ClientError } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Bucket, type Buckets, openBuckets } from './buckets.ts';
import type { Allowance, SharedCounter } from './counter.ts';

/** What a take came to, by the allowance that is nearest to its end. */
export interface Taken {
  readonly isGranted: boolean;
  readonly name: string;
  readonly limit: number;
  readonly remaining: number;
  /** Until the window ends, in ms. */
  readonly leftMs: number;
}

/** One kind of thing that is limited, for each project and each of its keys and merchants. */
export interface RateLimit {
  /** What it is called in the header `X-Rate-Limit-Type`. */
  readonly type: 'api_calls' | 'bulk_api_calls';
  /** Its allowances, as the header `RateLimit-Policy` tells them; undefined without any. */
  readonly policy: string | undefined;
  /** What nobody has taken anything of. */
  readonly untouched: Taken | undefined;
  /** Counts one, unless none is left. Undefined without a limit. At once, unless other gateways have to be heard of. */
  take(caller: Caller): Taken | undefined | Promise<Taken>;
}

export interface RateLimits {
  readonly calls: RateLimit;
  readonly starts: RateLimit;
}

const minuteMs = 60_000;
const hourMs = 3_600_000;

export type LimitSettings = Pick<
  Config,
  | 'BULKCAST_CALLS_PER_MINUTE'
  | 'BULKCAST_KEY_CALLS_PER_MINUTE'
  | 'BULKCAST_STARTS_PER_HOUR'
  | 'BULKCAST_KEY_STARTS_PER_HOUR'
>;

/** The limits of a gateway, counted together with all others where there is a shared counter. */
export function openRateLimits(deps: {
  readonly config: LimitSettings;
  readonly counter?: SharedCounter | undefined;
  readonly log: Log;
}): RateLimits {
  const { config } = deps;
  const buckets = openBuckets(deps);
  return {
    calls: createLimit(buckets, 'api_calls', [
      { name: 'calls', limit: config.BULKCAST_CALLS_PER_MINUTE, windowMs: minuteMs },
      { name: 'key-calls', limit: config.BULKCAST_KEY_CALLS_PER_MINUTE, windowMs: minuteMs },
    ]),
    starts: createLimit(buckets, 'bulk_api_calls', [
      { name: 'starts', limit: config.BULKCAST_STARTS_PER_HOUR, windowMs: hourMs },
      { name: 'key-starts', limit: config.BULKCAST_KEY_STARTS_PER_HOUR, windowMs: hourMs },
    ]),
  };
}

/** Counts a start of a task. Throws RATE_LIMITED when none is left. */
export async function takeStart({ starts }: RateLimits, caller: Caller): Promise<void> {
  const taken = await starts.take(caller);
  if (taken?.isGranted === false) throw rateLimited(taken);
}

/** The answer to whoever has taken all. */
export function rateLimited(taken: Taken): ClientError {
  const retryAfter = Math.max(1, Math.ceil(taken.leftMs / 1000));
  const message = `Too many requests hit the API too quickly; try again in ${retryAfter} s`;
  return new ClientError('RATE_LIMITED', message, { retryAfter });
}

function createLimit(
  buckets: Buckets,
  type: RateLimit['type'],
  [ofProject, ofKey]: readonly [Allowance, Allowance],
): RateLimit {
  const limited = [ofProject, ofKey].filter(({ limit }) => limit > 0);
  const [first] = limited;
  const find = ({ projectId, kind, name }: Caller): Bucket[] => {
    const found: Bucket[] = [];
    if (ofProject.limit > 0) found.push(buckets.find(projectId, ofProject));
    if (ofKey.limit > 0) {
      const { limit, windowMs } = ofKey;
      found.push(buckets.find(projectId, { name: `${ofKey.name} ${keyOf({ kind, name })}`, limit, windowMs }));
    }
    return found;
  };
  return {
    type,
    policy: first && limited.map(({ name, limit, windowMs }) => `"${name}";q=${limit};w=${windowMs / 1000}`).join(', '),
    untouched: first && { isGranted: true, name: first.name, limit: first.limit, remaining: first.limit, leftMs: 0 },
    take: (caller) => {
      const found = find(caller);
      if (found.length === 0) return undefined;
      const isGranted = buckets.take(found);
      return typeof isGranted === 'boolean'
        ? describe(found, isGranted)
        : isGranted.then((later) => describe(found, later));
    },
  };
}

function describe(buckets: readonly Bucket[], isGranted: boolean): Taken {
  const now = performance.now();
  let tightest: Bucket | undefined;
  for (const bucket of buckets) if (tightest === undefined || leftIn(bucket) < leftIn(tightest)) tightest = bucket;
  if (tightest === undefined) throw new Error('nothing is limited');
  const { name, limit, endsAt } = tightest;
  const [allowance = name] = name.split(' ', 1);
  return { isGranted, name: allowance, limit, remaining: leftIn(tightest), leftMs: Math.max(0, endsAt - now) };
}

function leftIn({ leased, beyond }: Bucket): number {
  return leased + beyond;
}
