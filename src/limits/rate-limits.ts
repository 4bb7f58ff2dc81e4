import type { Caller } from '../auth/caller.ts';
import { keyOf, type PrincipalKind } from '../auth/principals.ts';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import { type Bucket, type Buckets, createBucket, isUnused, openBuckets } from './buckets.ts';
import type { Allowance, SharedCounter } from './counter.ts';
import { keepUsed } from './kept.ts';
import { createSignInLimits, type SignInLimits } from './sign-in-limits.ts';
import { describeTake, rateLimited, type Taken } from './taken.ts';

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
  readonly signIns: SignInLimits;
}

const minuteMs = 60_000;
const hourMs = 3_600_000;

export type LimitSettings = Pick<
  Config,
  | 'BULKCAST_CALLS_PER_MINUTE'
  | 'BULKCAST_KEY_CALLS_PER_MINUTE'
  | 'BULKCAST_STARTS_PER_HOUR'
  | 'BULKCAST_KEY_STARTS_PER_HOUR'
  | 'BULKCAST_ADDRESS_FAILED_SIGN_INS'
  | 'BULKCAST_USER_FAILED_SIGN_INS'
>;

/** The limits of a gateway, counted together with all others where there is a shared counter. */
export function openRateLimits(deps: {
  readonly config: LimitSettings;
  readonly counter?: SharedCounter | undefined;
  readonly log: Log;
  readonly secret: string;
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
    signIns: createSignInLimits(buckets, {
      secret: deps.secret,
      perAddress: config.BULKCAST_ADDRESS_FAILED_SIGN_INS,
      perUsername: config.BULKCAST_USER_FAILED_SIGN_INS,
    }),
  };
}

/** Counts a start of a task. Throws RATE_LIMITED when none is left. */
export async function takeStart({ starts }: RateLimits, caller: Caller): Promise<void> {
  const taken = await starts.take(caller);
  if (taken?.isGranted === false) throw rateLimited(taken);
}

function createLimit(
  buckets: Buckets,
  type: RateLimit['type'],
  [ofProject, ofKey]: readonly [Allowance, Allowance],
): RateLimit {
  const limited = [ofProject, ofKey].filter(({ limit }) => limit > 0);
  const [first] = limited;
  const accounts = keepUsed(
    (projectId) => openAccount(projectId, ofProject, ofKey),
    (account) => account.isUnused(),
  );
  return {
    type,
    policy: first && limited.map(({ name, limit, windowMs }) => `"${name}";q=${limit};w=${windowMs / 1000}`).join(', '),
    untouched: first && { isGranted: true, name: first.name, limit: first.limit, remaining: first.limit, leftMs: 0 },
    take: (caller) => {
      if (first === undefined) return undefined;
      const found = accounts.get(caller.projectId).bucketsOf(caller);
      const isGranted = buckets.take(found);
      return typeof isGranted === 'boolean'
        ? describeTake(found, isGranted)
        : isGranted.then((later) => describeTake(found, later));
    },
  };
}

/** The buckets of one project: all calls look them up, so that they are found without a name being made for them. */
function openAccount(projectId: string, ofProject: Allowance, ofKey: Allowance) {
  const shared = ofProject.limit > 0 ? [createBucket(projectId, ofProject)] : [];
  const lists: Record<PrincipalKind, Map<string, readonly Bucket[]>> = { KEY: new Map(), MERCHANT: new Map() };
  const createList = ({ kind, name }: Caller): readonly Bucket[] => {
    if (ofKey.limit === 0) return shared;
    const allowance = { ...ofKey, name: `${ofKey.name} ${keyOf({ kind, name })}` };
    return [...shared, createBucket(projectId, allowance, ofKey.name)];
  };
  return {
    bucketsOf: (caller: Caller): readonly Bucket[] => {
      const known = lists[caller.kind].get(caller.name);
      if (known !== undefined) return known;
      const created = createList(caller);
      lists[caller.kind].set(caller.name, created);
      return created;
    },
    isUnused: () => Object.values(lists).every((list) => [...list.values()].flat().every(isUnused)),
  };
}
