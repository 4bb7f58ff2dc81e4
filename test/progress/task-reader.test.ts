import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/db/client.ts';
import { toClientError } from '../../src/errors.ts';
import { createTaskReader } from '../../src/progress/task-reader.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { createDatabase } from '../support/database.ts';
import { recordLog } from './fixtures.ts';

test('a query that hangs is given up, and does not hold up those after it', async () => {
  const { url } = await createDatabase();
  const open = (statementTimeoutMs: number) => {
    const client = openDatabase({
      url,
      maxConnections: 2,
      applicationName: 'test',
      log: recordLog(),
      statementTimeoutMs,
    });
    atEndOfFile(client.stop);
    return client.db;
  };
  const reader = createTaskReader(open(300));
  const hung: Promise<unknown>[] = [];
  await open(60_000)
    .transaction()
    .execute(async (tx) => {
      await sql`lock table tasks in access exclusive mode`.execute(tx);
      for (let batch = 0; batch < 3; batch += 1) hung.push(reader.read(randomUUID()).catch((error: unknown) => error));
      for (const error of await Promise.all(hung)) expect(toClientError(error)).toMatchObject({ code: 'UNAVAILABLE' });
    });
  expect(await reader.read(randomUUID())).toBeUndefined();
});
