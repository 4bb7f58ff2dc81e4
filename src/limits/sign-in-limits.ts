import { createHmac } from 'node:crypto';
import { networkOf } from '../address.ts';
import type { Buckets } from './buckets.ts';
import type { Allowance } from './counter.ts';
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
  const take = async (owner: string, allowance: Allowance) => {
    if (allowance.limit === 0) return undefined;
    const bucket = buckets.find(ownerOf(owner), allowance);
    if (!(await buckets.take([bucket]))) throw rateLimited(describeTake([bucket], false));
    return bucket;
  };
  return {
    begin: async (address, username) => {
      const ofAddress = { name: 'sign-ins', limit: options.perAddress, windowMs };
      const ofUsername = { name: 'sign-ins', limit: options.perUsername, windowMs };
      const taken = [await take(`from ${networkOf(address)}`, ofAddress), await take(`of ${username}`, ofUsername)];
      return {
        succeeded: () => {
          for (const bucket of taken) if (bucket !== undefined) bucket.leased += 1;
        },
      };
    },
  };
}
