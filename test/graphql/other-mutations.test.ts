import { beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { ask, codes, importVouchers, issueCards, succeeded } from './client.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});

const voucher = {
  type: 'DISCOUNT_VOUCHER',
  discount: { type: 'PERCENT', percentOff: 10.5, amountLimit: null },
  redemption: { quantity: 3 },
  startDate: '2030-01-02T03:04:05.5+02:00',
  validityDayOfWeek: [1, 2],
  additionalInfo: 'text',
  metadata: { some_key: { anotherKey: [1, null, 'x'] }, someKey: 1 },
};

/** The same as a document has it. */
function spelled(code: string): string {
  return `{ code: "${code}", type: DISCOUNT_VOUCHER, discount: { type: PERCENT, percentOff: 10.5, amountLimit: null }, redemption: { quantity: 3 },
    startDate: "2030-01-02T03:04:05.5+02:00", validityDayOfWeek: [1, 2], additionalInfo: "text",
    metadata: { some_key: { anotherKey: [1, null, "x"] }, someKey: 1 } }`;
}

describe('importVouchers', () => {
  it.each([
    [
      'a variable',
      '($input: ImportVouchersInput!)',
      '$input',
      (voucher: object) => ({ input: { vouchers: [voucher] } }),
    ],
    [
      'a variable for one',
      '($input: ImportVouchersInput!)',
      '$input',
      (voucher: object) => ({ input: { vouchers: voucher } }),
    ],
    [
      'the default of a variable',
      `($input: ImportVouchersInput = { vouchers: [${spelled('DEFAULT')}] })`,
      '$input',
      () => ({}),
    ],
    ['the document', '', `{ vouchers: [${spelled('DOCUMENT')}] }`, () => ({})],
    [
      'a list of variables',
      '($one: VoucherInput!, $other: VoucherInput!)',
      '{ vouchers: [$one, $other] }',
      ({ code, ...rest }: { code: string }) => ({ one: { code, ...rest }, other: { code: `${code}-2`, ...rest } }),
    ],
    [
      'variables of all sizes',
      '($code: String!, $discount: DiscountInput!, $date: DateTime, $days: [Int!], $metadata: JSON)',
      `{ vouchers: [{ code: $code, type: DISCOUNT_VOUCHER, discount: $discount, redemption: { quantity: 3 }, startDate: $date, validityDayOfWeek: $days,
        additionalInfo: "text", metadata: $metadata }] }`,
      ({ code, discount, startDate, validityDayOfWeek, metadata }: Record<string, unknown>) => ({
        code,
        discount,
        date: startDate,
        days: validityDayOfWeek,
        metadata,
      }),
    ],
  ])(
    'maps the names to the wire, leaves those inside JSON as they are, and takes the same from %s',
    async (where, signature, input, variablesOf) => {
      const code = where === 'the default of a variable' ? 'DEFAULT' : where === 'the document' ? 'DOCUMENT' : where;
      const query = `mutation ${signature} { importVouchers(input: ${input}) { task { id } userErrors { field message } } }`;
      const variables = variablesOf({ code, ...voucher });
      const answer = await ask<{ importVouchers: { task: { id: string } } }>(app, query, variables);
      expect(answer.errors).toBeUndefined();
      await succeeded(app, answer.data.importVouchers.task.id);
      const rows = await app.app.db
        .selectFrom('vouchers')
        .select([
          'discount',
          'redemption_quantity',
          'start_date',
          'validity_day_of_week',
          'additional_info',
          'metadata',
        ])
        .where('code', 'in', [code, `${code}-2`])
        .execute();
      const expected = {
        discount: { type: 'PERCENT', percent_off: 10.5 },
        redemption_quantity: 3,
        start_date: new Date('2030-01-02T01:04:05.500Z'),
        validity_day_of_week: [1, 2],
        additional_info: 'text',
        metadata: { some_key: { anotherKey: [1, null, 'x'] }, someKey: 1 },
      };
      expect(rows).toEqual(where === 'a list of variables' ? [expected, expected] : [expected]);
    },
  );

  it.each([
    ['a number', { discount: { type: 'PERCENT', percentOff: '10 EUR' } }, '.discount.percentOff', '10 EUR'],
    ['an enum', { discount: { type: 'PCT' } }, '.discount.type', 'PCT'],
    ['a date', { startDate: '2026-13-01T00:00:00Z' }, '.startDate', 'DateTime'],
    ['what is not there', { code: null }, '.code', 'null'],
    ['an unknown field', { colour: 'red' }, '', 'colour'],
  ])('says where in the variables %s does not fit', async (_what, bad, place, found) => {
    const vouchers = [{ code: 'GOOD' }, { code: 'BAD', ...bad }];
    const answer = await ask(
      app,
      'mutation ($v: [VoucherInput!]!) { importVouchers(input: { vouchers: $v }) { task { id } } }',
      {
        v: vouchers,
      },
    );
    expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
    const message = answer.errors?.[0]?.message;
    expect(message).toContain(`Variable "$v" has invalid value at [1]${place}: `);
    expect(message).toContain(found);
  });

  it('tells the result of the action, with the failures', async () => {
    const gift = { amount: 100 };
    const id = await importVouchers(app, [
      { code: 'TWICE', gift },
      { code: 'TWICE', gift },
      { code: 'ONCE', gift },
    ]);
    await succeeded(app, id);
    const query = `query ($id: ID!) { bulkTask(id: $id) { __typename ... on AsyncAction {
      type status operationStatus requestId processingTime
      result { __typename ... on ImportResult { message doneCount failedCount failed { edges { node { row key code message } } } } }
    } } }`;
    const message = 'Duplicated voucher exists with id TWICE';
    expect((await ask(app, query, { id })).data).toEqual({
      bulkTask: {
        __typename: 'AsyncAction',
        type: 'VOUCHERS_IMPORT',
        status: 'DONE',
        operationStatus: 'SUCCESS',
        requestId: expect.stringMatching(/^v-[0-9a-f]{18}$/),
        processingTime: expect.any(Number),
        result: {
          __typename: 'ImportResult',
          message: '2 voucher(s) imported successfully, 1 failed.',
          doneCount: 2,
          failedCount: 1,
          failed: { edges: [{ node: { row: 2, key: 'TWICE', code: 'DUPLICATE', message } }] },
        },
      },
    });
  });
});

describe('createGiftCardProgram', () => {
  const create = `mutation ($input: CreateGiftCardProgramInput!) {
    createGiftCardProgram(input: $input) { program { id name currency } userErrors { field code } }
  }`;

  it('creates a program that cards can be issued under', async () => {
    const { data } = await ask<{ createGiftCardProgram: { program: { id: string } } }>(app, create, {
      input: { name: 'Summer', currency: 'EUR' },
    });
    const { program } = data.createGiftCardProgram;
    expect(program).toEqual({ id: expect.stringMatching(/^[0-9a-f]{24}$/), name: 'Summer', currency: 'EUR' });
    await succeeded(app, await issueCards(app, 2, { ...app.project, programId: program.id }));
  });

  it('refuses a name and a currency that are none', async () => {
    expect((await ask(app, create, { input: { name: '', currency: 'euro' } })).data).toEqual({
      createGiftCardProgram: {
        program: null,
        userErrors: [
          { field: ['input', 'name'], code: 'TOO_SMALL' },
          { field: ['input', 'currency'], code: 'INVALID_FORMAT' },
        ],
      },
    });
    const unstorable = await ask(app, create, { input: { name: 'a\u0000b', currency: 'EUR' } });
    expect(unstorable.data).toMatchObject({
      createGiftCardProgram: { userErrors: [{ field: ['input', 'name'], code: 'INVALID' }] },
    });
  });
});
