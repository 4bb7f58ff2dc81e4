import { expect, test } from 'vitest';
import { checkDepth } from '../src/request-body.ts';

const nested = (levels: number, inside: string) => `${'[{"a":'.repeat(levels / 2)}${inside}${'}]'.repeat(levels / 2)}`;

test.each([
  ['64 levels', nested(64, '1')],
  ['lists beside each other', `[${'[],'.repeat(1_000)}{}]`],
  ['brackets in texts', nested(64, JSON.stringify('[{'.repeat(100)))],
  ['quotes and backslashes in texts', nested(64, JSON.stringify('"[\\"{\\\\'))],
  ['keys that are escaped', nested(62, '{"a\\"[{[\\\\":{"\\\\":1}}')],
  ['a text that does not end', '["[[[[[\\'],
  ['nothing', ''],
])('takes %s', (_what, text) => {
  expect(() => checkDepth(text)).not.toThrow();
});

test.each([
  ['65 levels', `[${nested(64, '1')}]`],
  ['lists that are never closed', '['.repeat(65)],
  ['65 levels behind a text that ends in a backslash', `["\\\\",${nested(64, '1')}]`],
  ['65 levels in a text that ended before', `{"a":"\\\\\\"","b":${nested(64, '1')}}`],
])('refuses %s', (_what, text) => {
  expect(() => checkDepth(text)).toThrow('The JSON nests deeper than 64 levels');
});
