import { beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../graphql/client.ts';
import { readBack, readVoucher, runAction } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { defineMetadata } from '../support/mutations.ts';

let app: TestApp;
let base: TestApp;

beforeAll(async () => {
  base = await startTestApp();
  app = base;
});

const define = `mutation ($input: DefineMetadataSchemaInput!) {
  defineMetadataSchema(input: $input) { schema { id } userErrors { field message code } }
}`;
const importOne = async (metadata: object | undefined) => {
  const code = `V-${Math.random()}`;
  const { result } = await runAction(app, '/v1/vouchers/import', [{ code, gift: { amount: 1 }, metadata }]);
  return result.failed[0]?.reason ?? ((await readVoucher(app, code)).metadata as object);
};
const importCsv = async (column: string, cell: string) => {
  const code = `C-${Math.random()}`;
  const csv = `Code,Voucher Type,Value,${column}\n${code},GIFT_VOUCHER,1,"${cell}"\n`;
  const { result } = await runAction(app, '/v1/vouchers/importCSV', csv);
  return result.failed[0]?.reason ?? ((await readVoucher(app, code)).metadata as object);
};

describe('a schema', () => {
  test('is read as it was defined, in the order of its keys, and can be defined anew', async () => {
    await defineMetadata(app, 'product', {
      zone: { type: 'string', optional: false, eq: ['a', 'b'], maxLength: 5 },
      age: { type: 'number', array: true, gte: 0, lt: 10 },
    });
    const first = await readBack(app, '/v1/metadata-schemas/product');
    expect(first).toMatchObject({
      id: expect.stringMatching(/^ms_[0-9a-z]{24}$/),
      related_object: 'product',
      allow_defined_only: false,
      updated_at: null,
      object: 'metadata_schema',
    });
    expect(JSON.stringify(first.properties)).toBe(
      '{"zone":{"type":"string","array":false,"optional":false,"eq":["a","b"],"maxLength":5},' +
        '"age":{"type":"number","array":true,"optional":true,"lt":10,"gte":0}}',
    );
    await defineMetadata(app, 'product', { zone: { type: 'string' } }, true);
    const second = await readBack(app, '/v1/metadata-schemas/product');
    expect(second).toMatchObject({
      id: first.id,
      allow_defined_only: true,
      updated_at: expect.any(String),
      properties: { zone: { type: 'string', array: false, optional: true } },
    });
    expect(await readBack(app, '/v1/metadata-schemas')).toEqual({
      object: 'list',
      data_ref: 'schemas',
      schemas: [second],
      total: 1,
    });
    const query = '{ metadataSchemas { id resource allowDefinedOnly definitions { key type optional array } } }';
    expect((await ask(app, query)).data).toEqual({
      metadataSchemas: [
        {
          id: first.id,
          resource: 'product',
          allowDefinedOnly: true,
          definitions: [{ key: 'zone', type: 'STRING', optional: true, array: false }],
        },
      ],
    });
  });

  test('belongs to its project, and one that is not defined is not found', async () => {
    const other = { ...app, project: await app.createProject() };
    await defineMetadata(app, 'order', { a: { type: 'string' } });
    expect(await readBack(other, '/v1/metadata-schemas')).toMatchObject({ schemas: [], total: 0 });
    for (const resource of ['order', 'nothing', 'a%00b']) {
      expect(await readBack(other, `/v1/metadata-schemas/${resource}`)).toMatchObject({
        code: 404,
        key: 'not_found',
        resource_type: 'metadata_schema',
      });
    }
  });

  test.each([
    [
      'a key twice',
      [
        { key: 'a', type: 'STRING' },
        { key: 'a', type: 'NUMBER' },
      ],
      ['input', 'definitions', '1', 'key'],
    ],
    ['white space in a key', [{ key: 'a b', type: 'STRING' }], ['input', 'definitions', '0', 'key']],
    ['a bound of text', [{ key: 'a', type: 'STRING', lt: 5 }], ['input', 'definitions', '0', 'lt']],
    ['a length of a number', [{ key: 'a', type: 'NUMBER', maxLength: 5 }], ['input', 'definitions', '0', 'maxLength']],
    ['a value of another type', [{ key: 'a', type: 'NUMBER', eq: ['x'] }], ['input', 'definitions', '0', 'eq']],
    [
      'an unknown object type',
      [{ key: 'a', type: 'OBJECT', objectType: 'no' }],
      ['input', 'definitions', '0', 'objectType'],
    ],
  ])('is refused with %s', async (_what, definitions, field) => {
    const input = { resource: 'sku', definitions };
    const { data } = await ask<{ defineMetadataSchema: object }>(app, define, { input });
    expect(data.defineMetadataSchema).toMatchObject({ schema: null, userErrors: [{ field }] });
    expect(await readBack(app, '/v1/metadata-schemas/sku')).toMatchObject({ code: 404 });
  });

  test('has at most 100 keys', async () => {
    const definitions = Array.from({ length: 101 }, (_, index) => ({ key: `k${index}`, type: 'STRING' }));
    const { data } = await ask<{ defineMetadataSchema: object }>(app, define, {
      input: { resource: 'sku', definitions },
    });
    expect(data.defineMetadataSchema).toMatchObject({
      userErrors: [{ field: ['input', 'definitions'], code: 'TOO_BIG' }],
    });
  });
});

describe('metadata that is written', () => {
  const image = 'must be a URL pointing to JPG/JPEG or PNG resource';
  test.each([
    [{ type: 'number', optional: false }, 'EUR', "must be a number, property is required (actual value is 'EUR')"],
    [
      { type: 'string', optional: false },
      undefined,
      "must be a string, property is required (actual value is 'undefined')",
    ],
    [{ type: 'string', optional: false }, null, "must be a string, property is required (actual value is 'null')"],
    [{ type: 'number', eq: [1, 2] }, 3, "must be a number, must be equal to one of 1,2 (actual value is '3')"],
    [
      { type: 'string', ne: ['a', 'b'] },
      'a',
      "must be a string, must not be equal to any of a,b (actual value is 'a')",
    ],
    [
      { type: 'number', gt: 1, lte: 5 },
      6,
      "must be a number, must be lower than or equal to 5, must be greater than 1 (actual value is '6')",
    ],
    [
      { type: 'string', exactLength: 2 },
      'abc',
      "must be a string, must have exactly 2 characters (actual value is 'abc')",
    ],
    [{ type: 'boolean' }, 'true', "must be a boolean (actual value is 'true')"],
    [{ type: 'date' }, '2026-02-30', "must be an ISO 8601 date (actual value is '2026-02-30')"],
    [{ type: 'datetime' }, '2026-02-03', "must be an ISO 8601 date and time (actual value is '2026-02-03')"],
    [{ type: 'geopoint' }, '91,0', "must be a geopoint (latitude,longitude) (actual value is '91,0')"],
    [{ type: 'image_url' }, 'https://x.test/a.gif', `${image} (actual value is 'https://x.test/a.gif')`],
    [{ type: 'object' }, [1], "must be an object (actual value is '[1]')"],
    [
      { type: 'number', array: true },
      ['x'],
      `must be an array, and every element: must be a number (actual value is '["x"]')`,
    ],
    [{ type: 'number', array: true }, 1, "must be an array, and every element: must be a number (actual value is '1')"],
  ])('does not fit %j as %j', async (definition, value, phrase) => {
    await defineMetadata(app, 'voucher', { unit: definition });
    expect(await importOne(value === undefined ? {} : { unit: value })).toBe(`unit: ${phrase}`);
  });

  test.each([
    [{ type: 'number', gte: 1, eq: [1, 2] }, 1],
    [{ type: 'string', minLength: 1, maxLength: 1 }, '😀'],
    [{ type: 'date' }, '2026-01-31'],
    [{ type: 'datetime' }, '2026-01-31T12:30:00Z'],
    [{ type: 'geopoint' }, '51.5, -0.12'],
    [{ type: 'image_url' }, 'https://x.test/a.JPEG?size=2'],
    [{ type: 'boolean', array: true }, [true, false]],
    [{ type: 'object' }, { any: 'thing' }],
    [{ type: 'string' }, null],
    [{ type: 'string', deleted: true, optional: false }, 5],
  ])('fits %j as %j', async (definition, value) => {
    await defineMetadata(app, 'voucher', { unit: definition });
    expect(await importOne({ unit: value, other: 'unchecked' })).toEqual({ unit: value, other: 'unchecked' });
  });

  test('may have no other keys where only defined ones are allowed', async () => {
    await defineMetadata(app, 'voucher', { unit: { type: 'number' } }, true);
    expect(await importOne({ unit: 'x', extra: 1 })).toBe(
      "unit: must be a number (actual value is 'x'); extra: property is not defined in the schema (actual value is '1')",
    );
  });

  test('is looked at inside of objects of a defined type, and in lists of them', async () => {
    await defineMetadata(app, 'address', { city: { type: 'string', optional: false } }, true);
    await defineMetadata(app, 'voucher', { homes: { type: 'object', array: true, objectType: 'address' } });
    expect(await importOne({ homes: [{ city: 'Oslo' }, { town: 'x' }] })).toBe(
      "homes.1.city: must be a string, property is required (actual value is 'undefined'); " +
        "homes.1.town: property is not defined in the schema (actual value is 'x')",
    );
    expect(await importOne({ homes: [{ city: 'Oslo' }] })).toEqual({ homes: [{ city: 'Oslo' }] });
  });
});

describe('a metadata cell of a CSV file', () => {
  test.each([
    [{ type: 'number' }, '1.5', 1.5],
    [{ type: 'number', array: true }, '1,2', [1, 2]],
    [{ type: 'string', array: true }, 'a, b', ['a', 'b']],
    [{ type: 'boolean' }, 'True', true],
    [{ type: 'boolean' }, 'null', null],
    [{ type: 'string' }, '12', '12'],
    [{ type: 'geopoint', array: true }, '1,2,3,4', ['1,2', '3,4']],
  ])('becomes what %j declares of %s', async (definition, cell, value) => {
    await defineMetadata(app, 'voucher', { m: definition });
    expect(await importCsv('m', cell)).toEqual({ m: value });
  });

  test.each([
    [{ type: 'number' }, 'EUR', "m: must be a number (actual value is 'EUR')"],
    [{ type: 'boolean' }, 'yes', "m: must be a boolean (actual value is 'yes')"],
    [{ type: 'object' }, '{}', "m: must be an object (actual value is '{}')"],
    [
      { type: 'string', optional: false },
      '',
      "m: must be a string, property is required (actual value is 'undefined')",
    ],
  ])('loses its row where it does not fit %j as %s', async (definition, cell, reason) => {
    await defineMetadata(app, 'voucher', { m: definition });
    expect(await importCsv('m', cell)).toBe(reason);
  });

  test('is not asked for when a file without metadata updates a voucher, only when it creates one', async () => {
    await defineMetadata(app, 'voucher', {});
    const file = (...codes: string[]) =>
      ['Code,Voucher Type,Value', ...codes.map((code) => `${code},GIFT_VOUCHER,1`)].join('\n');
    await runAction(app, '/v1/vouchers/importCSV', file('OLD'));
    await defineMetadata(app, 'voucher', { m: { type: 'string', optional: false } });
    const { result } = await runAction(app, '/v1/vouchers/importCSV', file('OLD', 'NEW'));
    expect(result).toMatchObject({ done_count: 1, failed: [{ code: 'NEW', row: 2 }] });
  });
});
