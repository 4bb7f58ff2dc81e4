import { beforeAll, expect, test } from 'vitest';
import { operations } from '../src/operations/index.ts';
import { catalogScenarios } from './conformance/catalog.ts';
import { voucherScenarios } from './conformance/vouchers.ts';
import { doors, expectResult, follow } from './conformance/walk.ts';
import { startTestApp, type TestApp } from './support/gateway.ts';

/** Every type of async action, through every door: thousands of items, some of them bad, followed to the end by subscription
 *  and by polling, with the result of the contract and an effect that can be read back. */

const scenarios = { ...voucherScenarios, ...catalogScenarios };

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

test('there is a scenario for every type that there is, and there are 22', () => {
  const types = [...operations.values()].flatMap(({ actionType }) => actionType ?? []);
  expect(Object.keys(scenarios).sort()).toEqual(types.sort());
  expect(types).toHaveLength(22);
});

const walks = Object.entries(scenarios).flatMap(([type, prepare]) =>
  Object.entries(doors).map(([door, start]) => ({ type, door, prepare, start })),
);

test.each(walks)('$type by $door', async ({ type, door, prepare, start }) => {
  const prefix = `${type}-${door}`.toLowerCase().replaceAll(/[^a-z]+/g, '-');
  const walk = await prepare(app, prefix);
  const id = await start(app, walk);
  expectResult(type, await follow(app, id), walk);
  await walk.effect();
});
