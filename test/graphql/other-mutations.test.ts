import { beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { ask, importVouchers, issueCards, succeeded } from './client.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});

describe('importVouchers', () => {
  it('maps the names to the wire and leaves those inside JSON as they are', async () => {
    const id = await importVouchers(app, [
      {
        code: 'MAPPED',
        type: 'DISCOUNT_VOUCHER',
        discount: { type: 'PERCENT', percentOff: 10.5, amountLimit: null },
        redemption: { quantity: 3 },
        startDate: '2030-01-02T03:04:05Z',
        validityDayOfWeek: [1, 2],
        additionalInfo: 'text',
        metadata: { someKey: { anotherKey: [1, null, 'x'] } },
      },
    ]);
    await succeeded(app, id);
    const { validity_day_of_week, ...voucher } = await app.app.db
      .selectFrom('vouchers')
      .select(['discount', 'redemption_quantity', 'start_date', 'validity_day_of_week', 'additional_info', 'metadata'])
      .where('code', '=', 'MAPPED')
      .executeTakeFirstOrThrow();
    expect(validity_day_of_week).toEqual([1, 2]);
    expect(voucher).toEqual({
      discount: { type: 'PERCENT', percent_off: 10.5 },
      redemption_quantity: 3,
      start_date: new Date('2030-01-02T03:04:05Z'),
      additional_info: 'text',
      metadata: { someKey: { anotherKey: [1, null, 'x'] } },
    });
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
