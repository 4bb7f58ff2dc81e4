import { once } from 'node:events';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { answerTo, beginning, beginUpload, header, rows, type Uploaded } from '../graphql/upload-client.ts';
import { createDatabase } from '../support/database.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { checkInvariants, findBroken } from '../support/invariants.ts';
import { formEnd } from '../support/multipart.ts';
import type { ServeProcess } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';

let fleet: Fleet;
let worker: ServeProcess;

beforeAll(async () => {
  fleet = await openFleet({ databaseUrl: (await createDatabase()).url, redisUrl: inject('redisUrl') });
  worker = await fleet.start('worker');
});

afterAll(async () => {
  expect(await worker.stop()).toBe(0);
});

test('a gateway that is killed in the middle of an upload leaves nothing, and the client tries again elsewhere', async () => {
  const [first, second] = await Promise.all([fleet.start('gateway'), fleet.start('gateway')]);
  const broken = begin(first, 'killed');
  broken.on('error', () => undefined);
  broken.write(header + rows(30_000, 'K'));
  await isStaging();
  await first.kill();
  await waitFor(async () => (await staged()) === 0, { message: 'its transaction is over' });
  expect(await countTasks()).toBe(0);
  expect(await findBroken(fleet.db)).toEqual([]);

  const ids = new Set<string>();
  for (let time = 0; time < 2; time += 1) {
    const upload = begin(second, 'killed');
    upload.end(header + rows(30_000, 'K') + formEnd);
    ids.add(taskOf(await answerTo(upload)));
  }
  expect(ids.size).toBe(1);
  for (const id of ids) expect(await fleet.ended(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 30_000 });
  await checkInvariants(fleet.db);
  expect(await second.stop()).toBe(0);
});

test('a gateway that is asked to stop takes the upload in hand to its end, and cuts one that stalls', async () => {
  const gateway = await fleet.start('gateway');
  const before = await countTasks();
  const [goesOn, stalls] = [begin(gateway, 'goes on'), begin(gateway, 'stalls')];
  const cut = once(stalls, 'error');
  for (const upload of [goesOn, stalls]) upload.write(header + rows(10_000, upload === goesOn ? 'G' : 'S'));
  await isStaging(2);
  const stopped = gateway.stop('SIGTERM');
  const isStopping = async () => (await fetch(`${gateway.url}/readyz`).catch(() => undefined))?.status !== 200;
  await waitFor(isStopping, { message: 'the gateway stops' });
  goesOn.end(rows(10, 'END') + formEnd);
  const id = taskOf(await answerTo(goesOn));
  await cut;
  expect(await stopped).toBe(0);
  expect(await fleet.ended(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: 10_010 });
  expect(await countTasks()).toBe(before + 1);
  await checkInvariants(fleet.db);
});

function begin(gateway: ServeProcess, key: string) {
  const { appId, appToken } = fleet.credentials;
  const upload = beginUpload(gateway, { 'x-app-id': appId, 'x-app-token': appToken });
  upload.write(beginning({ key }));
  return upload;
}

function taskOf(answer: Awaited<ReturnType<typeof answerTo<Uploaded>>>): string {
  if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
  const { task, userErrors } = answer.data.importVouchersCsv;
  if (task === null) throw new Error(JSON.stringify(userErrors));
  return task.id;
}

/** Uploads that are being staged. */
async function staged(): Promise<number> {
  const { rows } = await sql`
    select pid from pg_stat_activity where datname = current_database() and application_name = 'bulkcast gateway'
      and xact_start is not null`.execute(fleet.db);
  return rows.length;
}

const isStaging = (uploads = 1) =>
  waitFor(async () => (await staged()) >= uploads, { message: 'the file is being staged' });

async function countTasks(): Promise<number> {
  const { rows } = await sql`select from tasks`.execute(fleet.db);
  return rows.length;
}
