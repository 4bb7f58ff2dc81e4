import { createHmac } from 'node:crypto';
import { networkOf } from '../address.ts';
import { type Bucket, type Buckets, createBucket, isUnused } from './buckets.ts';
import { type Kept, keepUsed } from './kept.ts';
import { describeTake, rateLimited } from './taken.ts';

/** Bounds the sign-ins that fail, by address and by username. */
export interface SignInLimits {
  /** Counts a sign-in until it has succeeded. Throws RATE_LIMITED when too many have failed. */
  begin(address: string, username: string): Promise<{ succeeded(): void }>;
}

const windowMs = 600_000;

export interface SignInLimitOptions {
  /** Addresses and names are stored as what only its holder can make of them. */
  readonly secret: string;
  readonly perAddress: number;
  readonly perUsername: number;
}

export function createSignInLimits(buckets: Buckets, options: SignInLimitOptions): SignInLimits {
  const ownerOf = (text: string) => createHmac('sha256', options.secret).update(`sign-in ${text}`).digest('hex');
  const bucketsOf = (limit: number) => {
    const allowance = { name: 'sign-ins', limit, windowMs };
    return limit === 0 ? undefined : keepUsed((owner) => createBucket(ownerOf(owner), allowance), isUnused);
  };
  const take = async (kept: Kept<Bucket> | undefined, owner: string) => {
    const bucket = kept?.get(owner);
    if (bucket !== undefined && !(await buckets.take([bucket]))) throw rateLimited(describeTake([bucket], false));
    return bucket;
  };
  const ofAddresses = bucketsOf(options.perAddress);
  const ofUsernames = bucketsOf(options.perUsername);
  return {
    begin: async (address, username) => {
      const taken = [await take(ofAddresses, `from ${networkOf(address)}`), await take(ofUsernames, `of ${username}`)];
      return {
        succeeded: () => {
          for (const bucket of taken) if (bucket !== undefined) bucket.leased += 1;
        },
      };
    },
  };
}
