import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { voucherRecords } from '../../src/domain/record-kinds.ts';
import { listOutcomes } from '../../src/tasks/dry-report.ts';
import { listFailures } from '../../src/tasks/failures.ts';
import { startTask } from '../../src/tasks/start.ts';
import { startWorker } from '../../src/worker.ts';
import { openTestEngine } from '../support/engine.ts';
import { createProbe, type ProbeItem } from '../support/probe.ts';

test('a dry run tells of an item that throws each time, and of the others what would become of them', async () => {
  const probe = createProbe().operation;
  const operation: typeof probe = {
    ...probe,
    records: { kind: voucherRecords, names: () => ({ of: ({ name }) => [name] }) },
    async apply(chunk, context) {
      const outcome = await probe.apply(chunk, context);
      for (const { name, say } of chunk.items) {
        if (say !== 'ok') continue;
        await sql`
          insert into vouchers (id, project_id, code, type, gift_amount)
          values (gen_random_uuid(), ${context.projectId}::uuid, ${name}, 'GIFT_VOUCHER', 1)
          on conflict (project_id, code) do update set gift_amount = 2`.execute(context.tx);
      }
      return outcome;
    },
  };
  const engine = await openTestEngine([operation]);
  await startWorker({ engine, log: engine.log, config: { BULKCAST_WORKER_SLOTS: 2 } });
  const items: ProbeItem[] = [
    { say: 'ok', name: 'a' },
    { say: 'bad value', name: 'x' },
    { say: 'ok', name: 'b' },
    { say: 'mistake', name: 'm' },
    { say: 'ok', name: 'a' },
    { say: 'refuse', name: 'b' },
    { say: 'ok', name: 'a' },
  ];
  const request = { operation, input: { items }, projectId: engine.projectId, requestId: 'v-test', isDryRun: true };
  const { id } = await startTask(engine, request);
  expect(await engine.ended(id)).toMatchObject({ kind: 'DRY_RUN', state: 'SUCCEEDED', succeeded: 4, failed: 3 });
  const outcomes = await listOutcomes(engine.db, id, { afterRow: 0, limit: 10 });
  expect(outcomes.map(({ key, outcome }) => [key, outcome])).toEqual([
    ['a', 'CREATED'],
    ['x', 'FAILED'],
    ['b', 'CREATED'],
    ['m', 'FAILED'],
    ['a', 'UPDATED'],
    ['b', 'FAILED'],
    ['a', 'UPDATED'],
  ]);
  const failures = await listFailures(engine.db, id, { afterRow: 0, limit: 10 });
  expect(failures.map(({ row, code }) => [row, code])).toEqual([
    [2, 'INTERNAL_ERROR'],
    [4, 'INTERNAL_ERROR'],
    [6, 'REFUSED'],
  ]);
  expect(await engine.effects(id)).toEqual([]);
  expect((await sql`select from vouchers`.execute(engine.db)).rows).toEqual([]);
});
