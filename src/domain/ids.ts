import { randomBytes } from 'node:crypto';

const alphabet = '0123456789abcdefghijklmnopqrstuv';

/** `count` ids of `prefix` and 32 letters and digits: time, position, then randomness, so that rows made together lie
 *  together in an index. */
export function newRecordIds(prefix: string, count: number, now: Date = new Date()): string[] {
  const time = now.getTime().toString(36).padStart(9, '0');
  const random = randomBytes(count * 18);
  return Array.from({ length: count }, (_, index) => {
    const position = index.toString(36).padStart(5, '0');
    let suffix = '';
    for (let offset = index * 18; offset < (index + 1) * 18; offset += 1)
      suffix += alphabet[(random[offset] ?? 0) & 31];
    return `${prefix}${time}${position}${suffix}`;
  });
}
