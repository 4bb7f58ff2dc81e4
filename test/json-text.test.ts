import { expect, test } from 'vitest';
import { checkJson } from '../src/json-text.ts';

const nested = (levels: number, inside: string) => `${'[{"a":'.repeat(levels / 2)}${inside}${'}]'.repeat(levels / 2)}`;

test.each([
  ['64 levels', nested(64, '1')],
  ['lists beside each other', `[${'[],'.repeat(1_000)}{}]`],
  ['brackets in texts', nested(64, JSON.stringify('[{'.repeat(100)))],
  ['quotes and backslashes in texts', nested(64, JSON.stringify('"[\\"{\\\\'))],
  ['keys that are escaped', nested(62, '{"a\\"[{[\\n":{"\\"":1}}')],
  ['backslashes in texts', String.raw`{"a\"":"\\","b":["\\",{"c":"\u005c\\\""}, "\\" ],"d" :"\\:"}`],
  ['a text that does not end', '["[[[[[\\'],
  ['nothing', ''],
])('takes %s', (_what, text) => {
  expect(() => checkJson(text)).not.toThrow();
});

test.each([
  ['at its end', String.raw`{"a\\":1}`],
  ['in the middle', String.raw`[1,{"b":"x","a\\\"c" ${'\n'}:1}]`],
  ['written in hex', String.raw`{"a":{"\u005Cn":1}}`],
  ['behind one that is escaped', String.raw`{"\"":"\\","\n\\":1}`],
  ['before much white space', String.raw`{"\\"${' '.repeat(500)}:1}`],
])('refuses a key with a backslash %s', (_what, text) => {
  expect(() => checkJson(text)).toThrow('A key in the JSON holds a backslash');
});

test.each([
  ['65 levels', `[${nested(64, '1')}]`],
  ['lists that are never closed', '['.repeat(65)],
  ['65 levels behind a text that ends in a backslash', `["\\\\",${nested(64, '1')}]`],
  ['65 levels in a text that ended before', `{"a":"\\\\\\"","b":${nested(64, '1')}}`],
])('refuses %s', (_what, text) => {
  expect(() => checkJson(text)).toThrow('The JSON nests deeper than 64 levels');
});
