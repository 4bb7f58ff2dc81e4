import { ClientError } from '../errors.ts';
import type { Bucket } from './buckets.ts';

/** What a take came to, by the allowance that is nearest to its end. */
export interface Taken {
  readonly isGranted: boolean;
  readonly name: string;
  readonly limit: number;
  readonly remaining: number;
  /** Until the window ends. */
  readonly leftMs: number;
}

export function describeTake(buckets: readonly Bucket[], isGranted: boolean): Taken {
  let tightest: Bucket | undefined;
  for (const bucket of buckets) if (tightest === undefined || leftIn(bucket) < leftIn(tightest)) tightest = bucket;
  if (tightest === undefined) throw new Error('nothing is limited');
  const { label, limit, endsAt } = tightest;
  const leftMs = Math.max(0, endsAt - performance.now());
  return { isGranted, name: label, limit, remaining: leftIn(tightest), leftMs };
}

/** The answer to whoever has taken all. */
export function rateLimited({ leftMs }: Taken): ClientError {
  const retryAfter = Math.max(1, Math.ceil(leftMs / 1000));
  const message = `Too many requests hit the API too quickly; try again in ${retryAfter} s`;
  return new ClientError('RATE_LIMITED', message, { retryAfter });
}

function leftIn({ leased, beyond }: Bucket): number {
  return leased + beyond;
}
