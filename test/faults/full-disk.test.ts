import { once } from 'node:events';
import { expect, inject, test } from 'vitest';
import { beginning, beginUpload, header, rows } from '../graphql/upload-client.ts';
import { openFleet } from '../support/fleet.ts';
import { checkInvariants } from '../support/invariants.ts';
import { formEnd, textOf } from '../support/multipart.ts';
import { startPostgres } from '../support/postgres.ts';
import type { LogLine } from '../support/processes.ts';

const cards = 300_000;

test('a full disk halts tasks and refuses new ones; with more room all goes on by itself', {
  timeout: 90_000,
}, async () => {
  const postgres = await startPostgres();
  const disk = await postgres.createOnSmallDisk('small', 48);
  const fleet = await openFleet({ databaseUrl: disk.url, redisUrl: inject('redisUrl') });
  const [gateway, worker] = await Promise.all([fleet.start('gateway'), fleet.start('worker')]);
  const id = await fleet.issue(cards);
  const isFull = (line: LogLine) => (line.error as { code?: string }).code === '53100';
  expect(await worker.waitForLog('chunk.rolled_back', isFull, 40_000)).toMatchObject({ fault: 'OUTAGE' });

  const { appId, appToken } = fleet.credentials;
  const upload = beginUpload(gateway, { 'x-app-id': appId, 'x-app-token': appToken });
  const answered = once(upload, 'response');
  upload.end(beginning() + header + rows(200_000, 'A') + formEnd);
  const [response] = await answered;
  expect(await textOf(response)).toContain('UNAVAILABLE');
  expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
  expect(await fleet.read(id)).toMatchObject({ state: 'RUNNING' });

  await disk.enlarge();
  expect(await fleet.ended(id)).toMatchObject({ state: 'SUCCEEDED', succeeded: cards, failed: 0 });
  await checkInvariants(fleet.db);
  expect(await Promise.all([gateway.stop(), worker.stop()])).toEqual([0, 0]);
});
