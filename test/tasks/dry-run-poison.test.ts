import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { voucherRecords } from '../../src/domain/record-kinds.ts';
import { listOutcomes } from '../../src/tasks/dry-report.ts';
import { listFailures } from '../../src/tasks/failures.ts';
import { runChunk } from '../../src/tasks/run.ts';
import { startTask } from '../../src/tasks/start.ts';
import { readTask } from '../../src/tasks/store.ts';
import { openTestEngine } from '../support/engine.ts';
import { createProbe, type ProbeItem } from '../support/probe.ts';

test.each([
  ['', false],
  [' of records that can depend on any before', true],
])(
  'a dry run%s tells of items that throw each time, and of the others what would become of them',
  async (_, meetAll) => {
    const probe = createProbe().operation;
    const operation: typeof probe = {
      ...probe,
      records: { kind: voucherRecords, names: () => ({ of: ({ name }) => [name] }), meetAll },
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
    const items: ProbeItem[] = [
      { say: 'ok', name: 'a' },
      { say: 'bad value', name: 'x' },
      { say: 'ok', name: 'b' },
      { say: 'mistake', name: 'm' },
      { say: 'ok', name: 'a' },
      { say: 'refuse', name: 'b' },
      { say: 'ok', name: 'a' },
      { say: 'throw', name: 't' },
      { say: 'ok', name: 'b' },
      { say: 'ok', name: 'c' },
      { say: 'throw', name: 'u' },
      { say: 'throw', name: 'v' },
      { say: 'ok', name: 'd' },
      { say: 'ok', name: 'c' },
    ];
    const request = { operation, input: { items }, projectId: engine.projectId, requestId: 'v-test', isDryRun: true };
    const { id } = await startTask(engine, request);
    const triedAgain: number[] = [];
    for (const chunk of [0, 1, 2, 3, 4]) {
      await runChunk(engine, { taskId: id, chunk }).catch(async () => {
        triedAgain.push(chunk);
        await runChunk(engine, { taskId: id, chunk }, 5);
      });
    }
    expect(triedAgain).toEqual([0, 1, 2, 3]);
    expect(await readTask(engine.db, id)).toMatchObject({
      kind: 'DRY_RUN',
      state: 'SUCCEEDED',
      succeeded: 8,
      failed: 6,
    });
    const outcomes = await listOutcomes(engine.db, id, { afterRow: 0, limit: 20 });
    expect(outcomes.map(({ key, outcome }) => [key, outcome])).toEqual([
      ['a', 'CREATED'],
      ['x', 'FAILED'],
      ['b', 'CREATED'],
      ['m', 'FAILED'],
      ['a', 'UPDATED'],
      ['b', 'FAILED'],
      ['a', 'UPDATED'],
      ['t', 'FAILED'],
      ['b', 'UPDATED'],
      ['c', 'CREATED'],
      ['u', 'FAILED'],
      ['v', 'FAILED'],
      ['d', 'CREATED'],
      ['c', 'UPDATED'],
    ]);
    const failures = await listFailures(engine.db, id, { afterRow: 0, limit: 10 });
    expect(failures.map(({ row, code }) => [row, code])).toEqual([
      [2, 'INTERNAL_ERROR'],
      [4, 'INTERNAL_ERROR'],
      [6, 'REFUSED'],
      [8, 'INTERNAL_ERROR'],
      [11, 'INTERNAL_ERROR'],
      [12, 'INTERNAL_ERROR'],
    ]);
    expect(await engine.effects(id)).toEqual([]);
    expect((await sql`select from vouchers`.execute(engine.db)).rows).toEqual([]);
  },
);
