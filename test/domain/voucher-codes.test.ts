import { expect, test } from 'vitest';
import { listCodes, makeCodes, possibleCodes, requirePossible, toCodeConfig } from '../../src/domain/voucher-codes.ts';

test('eight characters of 0-9a-zA-Z by default', () => {
  const config = toCodeConfig();
  expect(config).toEqual({
    length: 8,
    pattern: '########',
    charset: '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ',
  });
  for (const code of makeCodes(config, 1000)) expect(code).toMatch(/^[0-9a-zA-Z]{8}$/);
});

test('a pattern overrides the length; prefix and postfix stand around it', () => {
  const config = toCodeConfig({ length: 3, pattern: 'A#-##', prefix: '#P', postfix: '$&', charset: 'xyx' });
  expect(config).toMatchObject({ length: 3, charset: 'xy' });
  expect(makeCodes({ ...config, prefix: 'P-' }, 1)[0]).toMatch(/^P-A[xy]-[xy]{2}\$&$/);
  expect(possibleCodes(config)).toBe(8);
  expect(() => requirePossible(config, 9)).toThrow('Not possible to generate requested number of codes');
});

test('every character is as likely, also where a byte does not divide evenly', () => {
  const counts = new Map<string, number>();
  for (const code of makeCodes(toCodeConfig({ charset: 'abcdefg', length: 10 }), 7_000)) {
    for (const character of code) counts.set(character, (counts.get(character) ?? 0) + 1);
  }
  // 10,000 expected with a standard deviation below 100.
  for (const count of counts.values()) expect(Math.abs(count - 10_000)).toBeLessThan(600);
  expect(counts.size).toBe(7);
});

test('lists every possible code, unless there are too many', () => {
  expect(listCodes(toCodeConfig({ charset: 'ab', pattern: '#-#' }))).toEqual(['a-a', 'a-b', 'b-a', 'b-b']);
  expect(listCodes(toCodeConfig({ charset: '😀é', pattern: '#' }))).toEqual(['😀', 'é']);
  expect(listCodes(toCodeConfig({ pattern: 'ALWAYS' }))).toEqual(['ALWAYS']);
  expect(listCodes(toCodeConfig())).toBeUndefined();
});

test('refuses codes that no voucher can have', () => {
  expect(() => toCodeConfig({ length: 200, prefix: 'x'.repeat(100) })).toThrow('more than 255 characters');
  expect(() => toCodeConfig({ length: 200, charset: '😀' })).toThrow('more than 255 characters');
});
