import { randomBytes } from 'node:crypto';

const alphabet = '0123456789abcdefghijklmnopqrstuv';
const orderedCharacters = 14;

/** `count` ids of `prefix` and so many letters and digits (24 for campaigns, customers and orders, 32 for vouchers): time,
 *  position, then randomness, so that rows made together lie together in an index. */
export function newRecordIds(prefix: string, count: number, characters = 32): string[] {
  const time = Date.now().toString(36).padStart(9, '0');
  const each = characters - orderedCharacters;
  const random = randomBytes(count * each);
  return Array.from({ length: count }, (_, index) => {
    const position = index.toString(36).padStart(5, '0');
    let suffix = '';
    for (let offset = index * each; offset < (index + 1) * each; offset += 1)
      suffix += alphabet[(random[offset] ?? 0) & 31];
    return `${prefix}${time}${position}${suffix}`;
  });
}
