import { type RawBuilder, sql } from 'kysely';
import type { TaskRow } from '../db/tables.ts';

/** How fast a task is, as it was measured. Tell it by `rateOf`, which looks at its age. */
export interface Rate {
  /** Items. */
  readonly perSecond: number;
  /** When it is too old to be told; null when it is for good. */
  readonly until: Date | null;
}

/** What is so many seconds old counts 1/e. */
const memorySeconds = 10;
/** Less than this is no measurement. */
const leastSeconds = 1;
/** `rate_seconds` comes to the usual time between two chunks, or to the memory if that is longer. So many times as long without a
 *  chunk is a stall: a measurement holds no longer, and the time of the stall is no measurement. */
const stallFactor = 3;

/** What a chunk of so many items makes of the measurement. After a stall it begins anew, as without the chunk. The first one takes as
 *  long as it takes, so that a task of slow chunks has a rate too. */
export function measureChunk(items: number): Record<'rate_items' | 'rate_seconds', RawBuilder<number>> {
  return {
    rate_items: sql<number>`case when ${isAfterStall} then 0 else rate_items * ${fading} + ${items} end`,
    rate_seconds: sql<number>`case when ${isAfterStall} then 0 else rate_seconds * ${fading} + ${sinceLast} end`,
  };
}

const sinceLast = sql<number>`greatest(extract(epoch from clock_timestamp() - coalesce(rate_at, clock_timestamp())), 0)`;
const fading = sql<number>`exp(-${sinceLast} / ${memorySeconds}::double precision)`;
const isAfterStall = sql<boolean>`(rate_seconds >= ${leastSeconds}
  and ${sinceLast} > ${stallFactor} * greatest(rate_seconds, ${memorySeconds}))`;

/** The rate of late while the task runs, the average once it has ended; null before there is a measurement. */
export function readRate(row: TaskRow): Rate | null {
  if (row.state === 'RUNNING') return readMeasurement(row);
  if (row.completed_at === null || row.started_at === null || row.processed === 0) return null;
  const seconds = (row.completed_at.getTime() - row.started_at.getTime()) / 1000;
  return seconds > 0 ? { perSecond: row.processed / seconds, until: null } : null;
}

function readMeasurement({ rate_items, rate_seconds, rate_at }: TaskRow): Rate | null {
  if (rate_at === null || rate_seconds < leastSeconds) return null;
  const holdsSeconds = stallFactor * Math.max(rate_seconds, memorySeconds);
  return { perSecond: rate_items / rate_seconds, until: new Date(rate_at.getTime() + holdsSeconds * 1000) };
}
