import { randomFillSync } from 'node:crypto';

/** Numbers below this are accepted: the largest multiple of 10^15 that 53 bits hold, so that no digit is likelier. */
const limit = 9e15;
const span = 1e15;
const smallest = 1e14;

/** `count` card numbers: 15 digits of a cryptographically secure generator, the first not 0, and the Luhn digit.
 *  Two are equal about once in 10^15 pairs: the unique index has the last word. */
export function makeCardNumbers(count: number): string[] {
  const random = randomFillSync(new Uint32Array(count * 2));
  const numbers: string[] = [];
  let offset = 0;
  while (numbers.length < count) {
    if (offset >= random.length) {
      randomFillSync(random);
      offset = 0;
    }
    const value = ((random[offset] ?? 0) & 0x1f_ffff) * 2 ** 32 + (random[offset + 1] ?? 0);
    offset += 2;
    const digits = value % span;
    if (value >= limit || digits < smallest) continue;
    const text = String(digits);
    numbers.push(text + luhnDigit(text));
  }
  return numbers;
}

/** The check digit of ISO/IEC 7812-1 for a number without it. */
export function luhnDigit(digits: string): number {
  let sum = 0;
  let double = true;
  for (let index = digits.length - 1; index >= 0; index -= 1) {
    const digit = digits.charCodeAt(index) - 48;
    const doubled = digit * 2;
    if (double) sum += doubled > 9 ? doubled - 9 : doubled;
    else sum += digit;
    double = !double;
  }
  return (10 - (sum % 10)) % 10;
}
