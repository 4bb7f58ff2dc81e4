import { sql } from 'kysely';
import { beforeAll, expect, inject, test } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { checkInvariants, findBroken } from '../support/invariants.ts';

let fleet: Fleet;
/** What stands for the ids of tasks in the breakages. */
let ids: Readonly<Record<string, string>>;

beforeAll(async () => {
  fleet = await openFleet({ databaseUrl: (await createDatabase()).url, redisUrl: inject('redisUrl') });
  const worker = await fleet.start('worker');
  const run = async (id: Promise<string>) => (await fleet.ended(await id)).id;
  const vouchers = ['A', 'B', 'B'].map((code) => ({ code, type: 'GIFT_VOUCHER', gift: { amount: 5 } }));

  const issuance = await run(fleet.issue(10));
  await sql`update gift_cards set balance = 1 where right(id, 1) = '3'`.execute(fleet.db);
  const undo = await run(fleet.followUp('undo', issuance));
  const dryRun = await run(fleet.begin('vouchers.import', { vouchers }, { isDryRun: true }));
  const imported = await run(fleet.followUp('run', dryRun));
  await run(fleet.followUp('undo', imported));
  ids = { issuance, undo, dryRun, imported };
  await checkInvariants(fleet.db);
  expect(await worker.stop()).toBe(0);
});

const cardOf = (row: string) => `insert into gift_cards select (jsonb_populate_record(card, jsonb_build_object(
  'id', left(id, 18) || '${row}', 'card_number', '1234567890123456'))).* from gift_cards as card`;
const voucherOf = (task: string) => `insert into vouchers (id, project_id, code, type, gift_amount, created_by_task)
  select 'C', id, 'C', 'GIFT_VOUCHER', 1, ':${task}' from projects limit 1`;
const anotherOf = (
  task: string,
  kind: string,
) => `insert into tasks select (jsonb_populate_record(task, jsonb_build_object(
  'id', 'another', 'kind', '${kind}', 'parent_id', coalesce(parent_id, id)))).* from tasks as task where id = ':${task}'`;

test.each([
  ['a card that was used is gone', 'delete from gift_cards', 'a chunk has a card for each item that succeeded'],
  ['a card is back', cardOf('000004'), 'a chunk has a card for each item that succeeded'],
  ['a card is of no item', cardOf('00000b'), 'every card is of an item'],
  [
    'a chunk of an undo is gone',
    `delete from chunks where task_id = ':undo'`,
    'an undo, and the run of a dry run, has the chunks that were applied before',
  ],
  ['a task is undone again', anotherOf('undo', 'UNDO'), 'a task is undone once, and a dry run is run once'],
  ['a dry run is run again', anotherOf('imported', 'RUN'), 'a task is undone once, and a dry run is run once'],
  [
    'failures are tried again twice',
    `${anotherOf('imported', 'DRY_RUN')}; update tasks set kind = 'DRY_RUN' where id = ':imported'`,
    'failures are tried again once',
  ],
  [
    'a voucher that was undone is back',
    voucherOf('imported'),
    'an import that was undone has left no voucher as it made it',
  ],
  ['a dry run has made a voucher', voucherOf('dryRun'), 'no record is of a dry run or an undo'],
  [
    'an import has made more vouchers than it had good items',
    `update tasks set succeeded = 0, failed = total; ${voucherOf('imported')}`,
    'an import has not made more vouchers than items succeeded',
  ],
  [
    'an outcome is missing',
    `update chunks set report = '{"rows":[]}' where task_id = ':dryRun'`,
    'a dry run tells what would become of each item that it tried',
  ],
  [
    'a dry run remembers a record',
    `insert into dry_run_records (task_id, name) values (':dryRun', 'A')`,
    'a dry run that has ended remembers no record',
  ],
])('it is found out when %s', async (_what, breakage, invariant) => {
  const statements = breakage.replaceAll(/:(\w+)/g, (_all, name) => ids[name] ?? '');
  let broken: string[] = [];
  const undone = new Error('the breakage is undone');
  const breaking = fleet.db.transaction().execute(async (tx) => {
    // The database itself would refuse much of it.
    await sql`set local session_replication_role = replica`.execute(tx);
    for (const statement of statements.split('; ')) await sql.raw(statement).execute(tx);
    broken = await findBroken(tx);
    throw undone;
  });
  await expect(breaking).rejects.toBe(undone);
  expect(broken).toContainEqual(expect.stringContaining(invariant));
});
