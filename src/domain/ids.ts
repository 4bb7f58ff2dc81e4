import { randomBytes } from 'node:crypto';

const orderedCharacters = 14;

/** `count` ids of `prefix` and so many letters and digits (24 for campaigns, customers and orders, 32 for vouchers): time,
 *  position, then randomness, so that rows made together lie together in an index. */
export function newRecordIds(prefix: string, count: number, characters = 32): string[] {
  const time = Date.now().toString(36).padStart(9, '0');
  const each = characters - orderedCharacters;
  const random = randomBytes(Math.ceil((count * each) / 2)).toString('hex');
  return Array.from({ length: count }, (_, index) => {
    const position = index.toString(36).padStart(5, '0');
    return `${prefix}${time}${position}${random.slice(index * each, (index + 1) * each)}`;
  });
}
