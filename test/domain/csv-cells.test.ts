import { describe, expect, test } from 'vitest';
import { readFlag, readPrice } from '../../src/domain/csv-cells.ts';

describe('a price in major units', () => {
  test.each([
    ['', null],
    ['0', 0],
    ['13', 1300],
    ['14.5', 1450],
    ['14.50', 1450],
    ['14.5000', 1450],
    ['0.29', 29],
    ['1.15', 115],
    ['999999999999.99', 99_999_999_999_999],
  ])('%j is %j minor units', (text, minor) => {
    expect(readPrice('price', text)).toBe(minor);
  });

  test.each(['1.005', '-1', '+1', '1,50', '1 000', '1e3', '.5', '5.', 'NaN', '1000000000000'])('%j is none', (text) => {
    expect(() => readPrice('price', text)).toThrow('price: must be a number of major units');
  });
});

test('a flag is TRUE or FALSE in any case, and has a default', () => {
  expect(['TRUE', 'true', 'False', ''].map((text) => readFlag('Active', text, true))).toEqual([
    true,
    true,
    false,
    true,
  ]);
  expect(() => readFlag('Active', 'yes', true)).toThrow("Active: must be TRUE or FALSE (actual value is 'yes')");
});
