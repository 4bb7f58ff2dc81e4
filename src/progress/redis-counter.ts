import { z } from 'zod';
import type { Grant, SharedCounter } from '../limits/counter.ts';
import type { Connection } from './redis-connection.ts';

/** A count is a number under a key that expires when its window ends; all keys of one owner are in one slot of a cluster. */
const script = `
local grants = {}
for index, key in ipairs(KEYS) do
  local limit, windowMs, wanted = unpack(ARGV, 3 * index - 2, 3 * index)
  local count = tonumber(redis.call('GET', key) or '0')
  local left = math.max(0, tonumber(limit) - count)
  local granted = math.min(tonumber(wanted), left)
  if granted > 0 then redis.call('INCRBY', key, granted) end
  if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, windowMs) end
  grants[index] = {granted, left - granted, redis.call('PTTL', key)}
end
return grants`;

const answer = z.array(z.tuple([z.int(), z.int(), z.int()]));

/** Takes what is wanted of the owner's counts, as far as it is left, in one step. `slotName` decides which node of a cluster has them. */
export async function takeCounts(
  redis: Connection['redis'],
  slotName: string,
  wanted: Parameters<SharedCounter['take']>[1],
): Promise<readonly Grant[]> {
  const keys = wanted.map(({ name }) => `bulkcast:limits:{${slotName}}:${name}`);
  const args = wanted.flatMap(({ limit, windowMs, wanted: most }) => [limit, windowMs, most]);
  const grants = answer.parse(await redis.eval(script, keys.length, ...keys, ...args));
  return grants.map(([granted, remaining, leftMs]) => ({ granted, remaining, leftMs: Math.max(0, leftMs) }));
}
