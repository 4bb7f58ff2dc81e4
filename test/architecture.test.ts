import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

interface Source {
  readonly file: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const sources: Source[] = globSync('src/**/*.ts', { cwd: root }).map((file) => {
  const text = readFileSync(join(root, file), 'utf8');
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
  const imports = specifiers.map((name) => (name.startsWith('.') ? normalize(join(dirname(file), name)) : name));
  return { file, text, imports };
});

/** The imports of the files that match `from` which match `to`, as `a → b`. */
function arrows(from: RegExp, to: RegExp): string[] {
  return sources
    .filter(({ file }) => from.test(file))
    .flatMap(({ file, imports }) => imports.filter((name) => to.test(name)).map((name) => `${file} → ${name}`));
}

describe('the arrows that must never be', () => {
  test('the engine knows no operation, no door and no push', () => {
    expect(arrows(/^src\/tasks\//, /^src\/(operations|progress|graphql|rest|webhooks)\//)).toEqual([]);
  });

  test('operations do not import each other, nor the store, nor a door', () => {
    const between = arrows(/^src\/operations\/(?!index\.ts)/, /^src\/operations\//);
    const elsewhere = arrows(/^src\/operations\//, /^src\/(tasks\/store\.ts|rest\/|graphql\/|progress\/|webhooks\/)/);
    expect([...between, ...elsewhere]).toEqual([]);
  });

  test('the doors do not import each other', () => {
    expect([...arrows(/^src\/graphql\//, /^src\/rest\//), ...arrows(/^src\/rest\//, /^src\/graphql\//)]).toEqual([]);
  });

  test('webhooks know no operation, no door and no push', () => {
    expect(arrows(/^src\/webhooks\//, /^src\/(operations|progress|graphql|rest)\//)).toEqual([]);
  });

  test('the doors hold no SQL', () => {
    const withSql = sources.filter(({ file, text }) => {
      const isDoor = /^src\/(graphql|rest)\//.test(file);
      return isDoor && (/from 'kysely'/.test(text) || /\.(selectFrom|insertInto|updateTable|deleteFrom)\(/.test(text));
    });
    expect(withSql.map(({ file }) => file)).toEqual([]);
  });

  test('only db/ imports pg, one file imports ioredis, one reads the environment', () => {
    expect(arrows(/^src\/(?!db\/)/, /^pg$/)).toEqual([]);
    expect(arrows(/^src\//, /^ioredis$/)).toEqual(['src/progress/redis-connection.ts → ioredis']);
    const readers = sources.filter(({ text }) => /process\.env/.test(text)).map(({ file }) => file);
    expect(readers).toEqual(['src/config.ts']);
  });

  test('the source does not import the tests', () => {
    expect(arrows(/^src\//, /^(test|bench)\//)).toEqual([]);
  });

  test('no import leads back to where it came from', () => {
    const graph = new Map(
      sources.map(({ file, imports }) => [file, imports.filter((name) => name.startsWith('src/'))]),
    );
    const cycles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (path.includes(file) || done.has(file)) return;
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of graph.keys()) visit(file, []);
    expect(cycles).toEqual([]);
  });
});

test('no file of the source is longer than 250 lines', () => {
  const long = sources.filter(({ text }) => text.split('\n').length > 251).map(({ file }) => file);
  expect(long).toEqual([]);
});
