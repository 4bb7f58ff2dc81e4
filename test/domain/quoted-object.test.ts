import { expect, test } from 'vitest';
import { readQuotedObject } from '../../src/domain/quoted-object.ts';

test.each([
  ["{'color':'blue','ranking':1}", { color: 'blue', ranking: 1 }],
  ['{"color":"blue","ranking":1}', { color: 'blue', ranking: 1 }],
  [`{'size': '5"', "it's": 'a', 'both': "'"}`, { size: '5"', "it's": 'a', both: "'" }],
  ["{'o\\'clock':'a\\\\b\\n\\u00e9'}", { "o'clock": 'a\\b\né' }],
  ["{'list':['a',1,null,true],'inner':{'b':''}}", { list: ['a', 1, null, true], inner: { b: '' } }],
  ['{}', {}],
])('reads %s', (text, object) => {
  expect(readQuotedObject(text)).toEqual(object);
});

test.each(['', 'blue', "'blue'", "['blue']", '5', 'null', "{'a':}", "{'a':'b'", '{a:1}', "{'a':'b\nc'}"])(
  'says that %j is none',
  (text) => {
    expect(readQuotedObject(text)).toBeUndefined();
  },
);
