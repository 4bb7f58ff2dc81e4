import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { describeSettings } from '../src/config.ts';
import { clientErrors } from '../src/errors.ts';
import { graphqlErrors } from '../src/graphql/errors.ts';
import { buildSchema } from '../src/graphql/schema.ts';
import { operations } from '../src/operations/index.ts';

const schema = buildSchema(operations);
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

test('lists exactly the settings that there are, with their defaults', () => {
  const listed = [...readme.matchAll(/^\| `((?:BULKCAST_)?[A-Z]+(?:_[A-Z]+)*)` \| (|`[^`]*`) \| /gm)].map(
    ([, name, fallback = '']) => [name, fallback.replaceAll('`', '')],
  );
  expect(listed).toEqual(describeSettings().map(({ name, fallback }) => [name, fallback]));
});

test('lists exactly the codes of refused requests, with their statuses', () => {
  const listed = [...readme.matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \|/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ]);
  expect(listed).toEqual(Object.entries(clientErrors));
});

test('names exactly the codes that GraphQL has besides', () => {
  const paragraph = /GraphQL has these besides:.*?\n\n/s.exec(readme)?.[0] ?? '';
  const named = [...paragraph.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code);
  expect(named).toEqual([...graphqlErrors]);
});

const pages = ['README.md', ...readdirSync(new URL('../docs/', import.meta.url)).map((name) => `docs/${name}`)];

test.each(pages)('GraphQL accepts every document of %s', (page) => {
  const text = readFileSync(new URL(`../${page}`, import.meta.url), 'utf8');
  for (const [, document = ''] of text.matchAll(/^```graphql\n(.*?)^```/gms)) {
    expect(validate(schema, parse(document)), document).toEqual([]);
  }
});

test('the table of async actions lists exactly those that there are, each with its mutation and a test', () => {
  const page = readFileSync(new URL('../docs/async-actions.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([A-Z_.]+)` \| `(\w+)` \| .* \| `([\w-]+)` \|$/gm)];
  const listed = rows.map(([, type, mutation]) => `${type} ${mutation}`).sort();
  const actions = [...operations.values()].filter(({ actionType }) => actionType !== null);
  expect(listed).toEqual(actions.map(({ actionType, mutation }) => `${actionType} ${mutation.name}`).sort());
  for (const [, , , name] of rows)
    expect(existsSync(new URL(`operations/${name}.test.ts`, import.meta.url))).toBe(true);
});
