import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import { readBack } from '../support/actions.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
  const { db } = app.app;
  const other = await app.createProject();
  const rows = [
    { code: 'SUMMER-1', category: 'Season', start_date: new Date('2026-06-01'), additional_info: '100% _off_' },
    { code: 'SUMMER-2', category: 'season', start_date: new Date('2026-07-01'), additional_info: null },
    { code: 'WINTER-1', category: null, start_date: null, additional_info: "O'Brien" },
  ];
  for (const project_id of [app.project.id, other.id]) {
    const gift = { type: 'GIFT_VOUCHER' as const, gift_amount: 1, metadata: '{}', project_id };
    await db
      .insertInto('vouchers')
      .values(rows.map((row) => ({ id: `v_${project_id.slice(0, 4)}${row.code}`, ...gift, ...row })))
      .execute();
    await sql`insert into customers (id, project_id, source_id, name, email, created_at) values
      (${`c1${project_id}`}, ${project_id}, 'anna', 'Anna Ä', 'anna@example.com', '2026-01-01'),
      (${`c2${project_id}`}, ${project_id}, 'bob', null, 'bob@example.org', '2026-02-01')`.execute(db);
    await sql`insert into products (id, project_id) values (${`prod_${project_id}`}, ${project_id})`.execute(db);
    await sql`insert into skus (id, project_id, product_id, source_id, created_at, updated_at)
      select 'sku_' || ${project_id} || n, ${project_id}, ${`prod_${project_id}`}, 's' || n,
        timestamptz '2026-01-01Z' + (n || ' days')::interval, case when n = 2 then timestamptz '2026-05-01Z' end
      from generate_series(1, 3) as n`.execute(db);
  }
});

/** As `qs` writes nested objects, which is what the official clients use. */
function encode(filters: Record<string, string | Record<string, string | readonly string[]>>): string {
  const query = new URLSearchParams();
  for (const [field, conditions] of Object.entries(filters)) {
    if (typeof conditions === 'string') query.append(`filters[${field}]`, conditions);
    for (const [condition, value] of Object.entries(typeof conditions === 'string' ? {} : conditions)) {
      const name = `filters[${field}][conditions][${condition}]`;
      if (typeof value === 'string') query.append(name, value);
      else for (const [index, text] of value.entries()) query.append(`${name}[${index}]`, text);
    }
  }
  return query.toString();
}

async function codesOf(query: string) {
  const { vouchers, total } = await readBack<{ vouchers: { code: string }[]; total: number }>(
    app,
    `/v1/vouchers?order=code&${query}`,
  );
  expect(total).toBe(vouchers.length);
  return vouchers.map(({ code }) => code.replace('SUMMER-', 'S').replace('WINTER-', 'W')).join(' ');
}

describe('vouchers', () => {
  test.each([
    [{ code: { $is: 'SUMMER-1' } }, 'S1'],
    [{ code: { $is_not: 'SUMMER-1' } }, 'S2 W1'],
    [{ code: { $in: ['SUMMER-1', 'WINTER-1', 'x'] } }, 'S1 W1'],
    [{ code: { $not_in: ['SUMMER-1'] } }, 'S2 W1'],
    [{ code: { $in: 'SUMMER-2' } }, 'S2'],
    [{ code: { $contains: 'MER' } }, 'S1 S2'],
    [{ code: { $not_contain: 'MER' } }, 'W1'],
    [{ code: { $starts_with: 'SUM' } }, 'S1 S2'],
    [{ code: { $ends_with: '-1' } }, 'S1 W1'],
    [{ category: { $is: 'Season' } }, 'S1'],
    [{ category: { $is_not: 'Season' } }, 'S2 W1'],
    [{ category: { $not_in: ['Season', 'season'] } }, 'W1'],
    [{ category: { $not_contain: 'eason' } }, 'W1'],
    [{ category: { $is_unknown: 'true' } }, 'W1'],
    [{ category: { $has_value: '' } }, 'S1 S2'],
    [{ start_date: { $before: '2026-06-15' } }, 'S1'],
    [{ start_date: { $after: '2026-06-01T00:00:00.000Z' } }, 'S2'],
    [{ start_date: { $is_unknown: 'true' } }, 'W1'],
    [{ type: { $is: 'GIFT_VOUCHER' }, code: { $ends_with: '1' } }, 'S1 W1'],
    [{ junction: 'AND', category: { $is_unknown: '' }, code: { $is: 'SUMMER-1' } }, ''],
    [{ junction: 'OR', category: { $is_unknown: '' }, code: { $is: 'SUMMER-1' } }, 'S1 W1'],
    [{ junction: 'or', start_date: { $after: '2026-06-15' }, code: { $is: 'WINTER-1' } }, 'S2 W1'],
    [{ start_date: { $after: '2026-05-01', $before: '2026-06-15' } }, 'S1'],
    // What means something to SQL is text here.
    [{ additional_info: { $contains: '%' } }, 'S1'],
    [{ additional_info: { $contains: '_off' } }, 'S1'],
    [{ additional_info: { $starts_with: '_' } }, ''],
    [{ additional_info: { $ends_with: "O'Brien" } }, 'W1'],
    [{ code: { $is: "' or true --" } }, ''],
    [{ campaign: { $is_unknown: '' }, campaign_id: { $is_unknown: '' } }, 'S1 S2 W1'],
  ])('filters by %j', async (filters, codes) => {
    expect(await codesOf(encode(filters))).toBe(codes);
  });

  test('takes the values of a list in the other forms of a query too, and narrows by filters and parameters alike', async () => {
    const name = encodeURIComponent('filters[code][conditions][$in]');
    expect(await codesOf(`${name}=SUMMER-1&${name}=SUMMER-2`)).toBe('S1 S2');
    expect(await codesOf(`${name}%5B%5D=SUMMER-1&${name}%5B%5D=SUMMER-2&category=season`)).toBe('S2');
    expect(await codesOf('updated_at%5Bafter%5D=2020-01-01')).toBe('');
  });

  const one = 'filters[code][conditions]';
  test.each([
    [{ color: { $is: 'x' } }, /^Property \.filters\[color\] is not supported: it must be one of id,code,type,/],
    [{ constructor: { $is: 'x' } }, /^Property \.filters\[constructor\] is not supported/],
    [
      { code: { $like: 'x' } },
      /^Property \.filters\[code\]\[conditions\]\[\$like\] is not supported: .* \$is,\$is_not,/,
    ],
    [{ code: { $before: '2026-01-01' } }, /\[\$before\] is not supported/],
    [{ start_date: { $is: '2026-01-01' } }, /\[\$is\] is not supported: it must be one of \$before,\$after,/],
    [{ start_date: { $before: 'soon' } }, /cannot be recognized as a ISO-8601 compliant date$/],
    [{ junction: 'XOR', code: { $is: 'x' } }, /^Property \.filters\[junction\] must be equal to one of AND,OR$/],
    [{ code: { $is: ['a', 'b'] } }, `Property .${one}[$is] should be string`],
    [{ code: { $is: 'a\0b' } }, `Property .${one}[$is] must not contain NUL or half a surrogate pair`],
    [{ code: { $in: Array.from({ length: 101 }, String) } }, `Property .${one}[$in] cannot have more than 100 values`],
    [{ code: 'x' }, 'Property .filters[code] should be filters[<field>][conditions][<condition>]'],
  ])('refuses %j', async (filters, details) => {
    const body = await readBack(app, `/v1/vouchers?${encode(filters as Parameters<typeof encode>[0])}`);
    expect(body).toMatchObject({ code: 400, key: 'invalid_query_params', message: 'Invalid query params' });
    expect(body.details).toEqual(typeof details === 'string' ? details : expect.stringMatching(details));
  });

  test('refuses more than 20 conditions', async () => {
    const fields = ['id', 'code', 'type'].map((field) => [
      field,
      Object.fromEntries(
        ['$is', '$is_not', '$contains', '$not_contain', '$starts_with', '$ends_with', '$has_value'].map((condition) => [
          condition,
          '',
        ]),
      ),
    ]);
    const body = await readBack(app, `/v1/vouchers?${encode(Object.fromEntries(fields))}`);
    expect(body).toMatchObject({ code: 400, details: 'Property .filters cannot have more than 20 conditions' });
  });
});

describe('customers', () => {
  const sourcesOf = async (query: string) => {
    const path = `/v1/customers?${query}`;
    const { customers, total } = await readBack<{ customers: { source_id: string }[]; total: number }>(app, path);
    expect(total).toBe(customers.length);
    return customers.map(({ source_id }) => source_id).sort();
  };

  test.each([
    [{ email: { $ends_with: '@example.org' } }, ['bob']],
    [{ name: { $contains: 'Ä' } }, ['anna']],
    [{ name: { $is_unknown: '' } }, ['bob']],
    [{ created_at: { $before: '2026-01-15' } }, ['anna']],
    [{ junction: 'OR', source_id: { $is: 'anna' }, created_at: { $after: '2026-01-15' } }, ['anna', 'bob']],
    [{ phone: { $has_value: '' } }, []],
  ])('filters by %j', async (filters, sources) => {
    expect(await sourcesOf(encode(filters))).toEqual(sources);
  });

  test('refuses a field that they have not', async () => {
    const body = await readBack(app, `/v1/customers?${encode({ code: { $is: 'x' } })}`);
    expect(body).toMatchObject({ code: 400, key: 'invalid_query_params' });
  });
});

describe("a product's SKUs", () => {
  const skusOf = async (query: string) => {
    const path = `/v1/products/prod_${app.project.id}/skus?${query}`;
    const { skus, total } = await readBack<{ skus: { source_id: string }[]; total: number }>(app, path);
    return [skus.map(({ source_id }) => source_id).join(' '), total];
  };

  test.each([
    ['', 's3 s2 s1', 3],
    ['order=created_at', 's1 s2 s3', 3],
    ['order=-created_at&limit=2', 's3 s2', 3],
    ['order=updated_at&limit=1', 's2', 3],
    ['order=-updated_at&limit=1', 's2', 3],
    ['start_date=2026-01-03', 's3 s2', 2],
    ['end_date=2026-01-03T00:00:00Z', 's2 s1', 2],
    ['start_date=2026-01-03&end_date=2026-01-03', 's2', 1],
  ])('obey %s', async (query, sources, total) => {
    expect(await skusOf(query)).toEqual([sources, total]);
  });

  test.each([
    ['order=code', 'Property .order must be equal to one of created_at,-created_at,updated_at,-updated_at'],
    ['start_date=soon', 'Property .start_date cannot be recognized as a ISO-8601 compliant date'],
  ])('refuse %s', async (query, details) => {
    const body = await readBack(app, `/v1/products/prod_${app.project.id}/skus?${query}`);
    expect(body).toMatchObject({ code: 400, key: 'invalid_query_params', details });
  });
});
