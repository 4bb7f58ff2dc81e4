import { timeOrderedHex } from '../tasks/ids.ts';

/** `count` ids of `prefix` and 18 hex digits, as products and SKUs have them (contract of the async actions, section 2.3):
 *  time first, then counted up from a random start, so that they sort by when they were made. */
export function newHexIds(prefix: string, count: number, now: Date = new Date()): string[] {
  const first = BigInt(`0x${timeOrderedHex(now)}`);
  return Array.from({ length: count }, (_, index) => prefix + (first + BigInt(index)).toString(16).padStart(18, '0'));
}
