import { once } from 'node:events';
import { request } from 'node:http';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import { makeUpCredentials } from '../../src/auth/projects.ts';
import { keysOf } from '../serve/cluster.ts';
import { createDatabase } from '../support/database.ts';
import { startServe } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';

test('a connection that is cut in the middle of an upload costs the upload, not the process', async () => {
  const database = await createDatabase();
  const credentials = makeUpCredentials();
  const running = await startServe({
    DATABASE_URL: database.url,
    BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC',
    BULKCAST_BOOTSTRAP_APP_ID: credentials.appId,
    BULKCAST_BOOTSTRAP_APP_TOKEN: credentials.appToken,
    BULKCAST_BOOTSTRAP_USERNAME: credentials.username,
    BULKCAST_BOOTSTRAP_PASSWORD: credentials.password,
    BULKCAST_BOOTSTRAP_PROGRAM_ID: credentials.programId,
  });
  const boundary = 'x'.repeat(30);
  const upload = request(`${running.url}/graphql`, {
    method: 'POST',
    headers: { ...keysOf(credentials), 'content-type': `multipart/form-data; boundary=${boundary}` },
  });
  const query = 'mutation ($f: File!) { importVouchersCsv(input: { file: $f }) { task { id } } }';
  const part = (name: string, text: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`;
  upload.write(part('operations', JSON.stringify({ query, variables: { f: null } })));
  upload.write(part('map', '{"0":["variables.f"]}'));
  upload.write(`--${boundary}\r\nContent-Disposition: form-data; name="0"; filename="v.csv"\r\n\r\n`);
  upload.write('Code,Voucher Type,Value\nA,GIFT_VOUCHER,1\n');

  const admin = new pg.Client({ connectionString: inject('maintenanceUrl') });
  await admin.connect();
  const name = new URL(database.url).pathname.slice(1);
  const cut = async () => {
    const { rowCount } = await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and state = 'idle in transaction'`,
      [name],
    );
    return rowCount;
  };
  await waitFor(cut, { message: 'the upload has a transaction, which is cut' });
  await admin.end();
  upload.end(`B,GIFT_VOUCHER,1\n\r\n--${boundary}--\r\n`);
  const [response] = await once(upload, 'response');
  const body = Buffer.concat(await response.toArray()).toString();
  expect(body).toContain('UNAVAILABLE');
  expect((await fetch(`${running.url}/readyz`)).status).toBe(200);
  expect(await running.stop()).toBe(0);
});
