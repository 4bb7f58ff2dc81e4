import type { Log } from '../log.ts';
import type { Allowance, Grant, SharedCounter } from './counter.ts';

/** What this process knows of one allowance of one owner. */
export interface Bucket extends Allowance {
  readonly owner: string;
  /** What clients are told that it is called. */
  readonly label: string;
  /** Taken from the shared count ahead, and not used up. */
  leased: number;
  /** What was left in the shared count when it was last asked. */
  beyond: number;
  /** `performance.now()` when the window ends. */
  endsAt: number;
  /** Takes that wait for `asking`. */
  waiting: number;
  asking: Promise<void> | undefined;
}

/** Counts what is taken, with as few questions to the shared counter as can be. */
export interface Buckets {
  /** Takes one from each, or from none when one of them is empty. At once, unless the shared counter has to be asked. */
  take(buckets: readonly Bucket[]): boolean | Promise<boolean>;
}

/** So much of a limit is leased at a time. */
const leasePart = 1 / 100;
/** Whoever calls waits no longer for the shared counter. */
const answerMs = 250;
/** How long a counter that did not answer is left alone. */
const pauseMs = 1_000;

/** Without a shared counter, and while it does not answer, each process counts for itself. */
export function openBuckets({
  counter,
  log,
}: {
  readonly counter?: SharedCounter | undefined;
  readonly log: Log;
}): Buckets {
  let aloneUntil = counter === undefined ? Number.POSITIVE_INFINITY : 0;
  const ask = async (buckets: readonly Bucket[]) => {
    const askedAt = performance.now();
    try {
      const grants = await askCounter(counter, buckets);
      for (const [index, bucket] of buckets.entries()) fill(bucket, grants[index], askedAt);
      if (aloneUntil > 0) log.info('limits.together');
      aloneUntil = 0;
    } catch (error) {
      if (aloneUntil === 0) log.warn('limits.alone', { error });
      aloneUntil = performance.now() + pauseMs;
      for (const bucket of buckets) fillAlone(bucket);
    }
  };
  const refill = (buckets: readonly Bucket[]) => {
    const dry = buckets.filter((bucket) => isDry(bucket, performance.now()));
    if (performance.now() < aloneUntil) return dry.forEach(fillAlone);
    const unasked = dry.filter(({ asking }) => asking === undefined);
    if (unasked.length > 0) {
      const asking = ask(unasked).finally(() => {
        for (const bucket of unasked) bucket.asking = undefined;
      });
      for (const bucket of unasked) bucket.asking = asking;
    }
    return Promise.all(dry.map(({ asking }) => asking));
  };
  const takeLater = async (buckets: readonly Bucket[]) => {
    for (const bucket of buckets) bucket.waiting += 1;
    try {
      for (;;) {
        await refill(buckets);
        const isTaken = takeNow(buckets, performance.now());
        if (isTaken !== undefined) return isTaken;
      }
    } finally {
      for (const bucket of buckets) bucket.waiting -= 1;
    }
  };
  return { take: (buckets) => takeNow(buckets, performance.now()) ?? takeLater(buckets) };
}

/** A bucket that is full. */
export function createBucket(owner: string, { name, limit, windowMs }: Allowance, label = name): Bucket {
  return { owner, label, name, limit, windowMs, leased: 0, beyond: limit, endsAt: 0, waiting: 0, asking: undefined };
}

/** Undefined when what is known is not enough to tell. */
function takeNow(buckets: readonly Bucket[], now: number): boolean | undefined {
  let isKnown = true;
  for (const bucket of buckets) {
    if (!isDry(bucket, now)) continue;
    if (bucket.endsAt > now && bucket.beyond === 0) return false;
    isKnown = false;
  }
  if (!isKnown) return undefined;
  for (const bucket of buckets) bucket.leased -= 1;
  return true;
}

function isDry({ leased, endsAt }: Bucket, now: number): boolean {
  return leased < 1 || endsAt <= now;
}

/** A lease, and more when more wait for it. */
function wantedBy({ limit, waiting }: Bucket): number {
  return Math.max(Math.ceil(limit * leasePart), waiting);
}

/** All buckets of one question belong to one owner. */
async function askCounter(counter: SharedCounter | undefined, buckets: readonly Bucket[]): Promise<readonly Grant[]> {
  const owner = buckets[0]?.owner;
  if (counter === undefined || owner === undefined) throw new Error('nobody counts for all');
  const wanted = buckets.map((bucket) => {
    const { name, limit, windowMs } = bucket;
    return { name, limit, windowMs, wanted: wantedBy(bucket) };
  });
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${answerMs} ms`)), answerMs);
  return await Promise.race([counter.take(owner, wanted), late.promise]).finally(() => clearTimeout(timer));
}

function fill(bucket: Bucket, grant: Grant | undefined, askedAt: number): void {
  if (grant === undefined) throw new Error('the counter has left out an allowance');
  Object.assign(bucket, { leased: grant.granted, beyond: grant.remaining, endsAt: askedAt + grant.leftMs });
}

/** A lease from what is left as far as this process knows, in a window of its own when there is none. */
function fillAlone(bucket: Bucket): void {
  const now = performance.now();
  if (!isDry(bucket, now)) return;
  const isOver = bucket.endsAt <= now;
  const left = isOver ? bucket.limit : bucket.beyond;
  const leased = Math.min(wantedBy(bucket), left);
  bucket.leased = leased;
  bucket.beyond = left - leased;
  if (isOver) bucket.endsAt = now + bucket.windowMs;
}

/** True when it is as good as a new one. */
export function isUnused({ endsAt, waiting }: Bucket): boolean {
  return waiting === 0 && endsAt <= performance.now();
}
