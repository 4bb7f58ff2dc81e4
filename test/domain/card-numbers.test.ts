import { expect, test } from 'vitest';
import { luhnDigit, makeCardNumbers } from '../../src/domain/card-numbers.ts';

test('gives the published check digits', () => {
  expect(luhnDigit('7992739871')).toBe(3);
  expect(luhnDigit('401288888888188')).toBe(1);
  expect(luhnDigit('555555555555444')).toBe(4);
});

test('makes numbers of 16 digits, valid by Luhn, all different', () => {
  const numbers = makeCardNumbers(50_000);
  expect(new Set(numbers).size).toBe(50_000);
  for (const number of numbers) {
    expect(number).toMatch(/^[1-9]\d{15}$/);
    expect(luhnDigit(number.slice(0, 15))).toBe(Number(number[15]));
  }
});

test('makes each digit about equally often at each place', () => {
  const count = 90_000;
  const numbers = makeCardNumbers(count);
  for (let place = 1; place < 15; place += 1) {
    const seen = new Array<number>(10).fill(0);
    for (const number of numbers) seen[Number(number[place])] = (seen[Number(number[place])] ?? 0) + 1;
    for (const times of seen) expect(Math.abs(times - count / 10)).toBeLessThan(count / 100);
  }
});
