import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { sql } from 'kysely';
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { createProject, makeUpCredentials } from '../../src/auth/projects.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { formEnd } from '../support/multipart.ts';
import { startServe } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';
import { ask, codes, post, succeeded } from './client.ts';
import {
  answerTo,
  beginning,
  beginUpload,
  form,
  header,
  rows,
  stored,
  type Uploaded,
  uploadCsv,
} from './upload-client.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({
    settings: { BULKCAST_MAX_UPLOADS: '2', BULKCAST_UPLOAD_STALL_MS: '300', BULKCAST_MAX_UPLOAD_BYTES: '10000000' },
  });
});

describe('a file', () => {
  it('is staged and imported', async () => {
    const answer = await uploadCsv(app, `${header}${rows(4_500, 'A')}BROKEN,GIFT_VOUCHER,nothing\n`);
    expect(answer.data.importVouchersCsv).toMatchObject({ task: { counts: { total: 4_501 } }, userErrors: [] });
    const id = answer.data.importVouchersCsv.task?.id ?? '';
    await succeeded(app, id);
    const query = `query ($id: ID!) { bulkTask(id: $id) { ... on AsyncAction { type result { ... on ImportResult {
      message failed { edges { node { row key } } }
    } } } } }`;
    expect((await ask(app, query, { id })).data).toEqual({
      bulkTask: {
        type: 'VOUCHERS_IMPORT_CSV',
        result: {
          message: '4500 voucher(s) imported successfully, 1 failed.',
          failed: { edges: [{ node: { row: 4_501, key: 'BROKEN' } }] },
        },
      },
    });
  });

  it('may be a variable inside the input, as clients of the specification send it', async () => {
    const query =
      'mutation ($input: ImportVouchersCsvInput!) { importVouchersCsv(input: $input) { task { counts { total } } userErrors { code } } }';
    const parts = {
      operations: JSON.stringify({ query, variables: { input: { file: null, webhooksEnable: true } } }),
      map: '{"1":["variables.input.file"]}',
      '#1': new Blob([`${header}${rows(3, 'B')}`]),
    };
    const answer = await post<Uploaded>(app, form(parts), app.project.headers);
    expect(answer.data.importVouchersCsv.task?.counts.total).toBe(3);
  });

  it('with an idempotency key is imported once, and another file under the key is refused', async () => {
    const csv = `${header}${rows(10, 'C')}`;
    const first = await uploadCsv(app, csv, { key: 'file' });
    const second = await uploadCsv(app, csv, { key: 'file' });
    expect(second.data.importVouchersCsv.task?.id).toBe(first.data.importVouchersCsv.task?.id);
    const third = await uploadCsv(app, `${csv}D,GIFT_VOUCHER,1\n`, { key: 'file' });
    expect(third.data.importVouchersCsv.userErrors).toMatchObject([{ code: 'IDEMPOTENCY_KEY_REUSED' }]);
  });

  it.each([
    ['an empty file', ''],
    ['no known column', 'a,b\n1,2\n'],
    ['a quote that is never closed', `${header}"A,GIFT_VOUCHER,1\n${rows(10, 'E')}`],
    ['one line of 9 MB', `${header}${'x'.repeat(9_000_000)},GIFT_VOUCHER,1\n`],
  ])('of %s is a user error and leaves nothing behind', async (_name, csv) => {
    const before = await stored(app);
    const { data } = await uploadCsv(app, csv);
    expect(data.importVouchersCsv).toEqual({
      task: null,
      userErrors: [{ field: ['input', 'file'], code: expect.any(String), message: expect.any(String) }],
    });
    expect(await stored(app)).toEqual(before);
  });

  it('of another encoding is a user error', async () => {
    const { data } = await uploadCsv(app, new Blob([Buffer.from(`${header}Caf\xe9,GIFT_VOUCHER,1\n`, 'latin1')]));
    expect(data.importVouchersCsv.userErrors).toMatchObject([
      { field: ['input', 'file'], message: expect.stringContaining('UTF-8') },
    ]);
  });

  it.each([
    ['that says how large it is', false],
    ['that does not', true],
  ])('over the limit %s is PAYLOAD_TOO_LARGE and leaves nothing behind', async (_name, isChunked) => {
    const before = await stored(app);
    const outgoing = beginUpload(app, {
      ...app.project.headers,
      ...(isChunked ? {} : { 'content-length': '15000000' }),
    });
    outgoing.write(beginning());
    outgoing.write(`${header}${rows(500_000, 'F')}`);
    const answer = await answerTo(outgoing);
    expect(codes(answer)).toEqual(['PAYLOAD_TOO_LARGE']);
    expect(await stored(app)).toEqual(before);
  });

  it('that breaks off leaves nothing behind', async () => {
    const before = await stored(app);
    for (const bytes of [0, 100, 1_000_000]) {
      const outgoing = beginUpload(app, app.project.headers);
      outgoing.on('error', () => undefined);
      outgoing.write(beginning() + header + rows(100_000, 'G').slice(0, bytes));
      await waitFor(async () => (await openTransactions()) > 0, { message: 'the file is being staged' });
      outgoing.destroy();
      await waitFor(async () => (await openTransactions()) === 0, { message: 'the transaction is over' });
    }
    expect(await stored(app)).toEqual(before);
    expect(app.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('that stalls is REQUEST_TIMEOUT and leaves nothing behind', async () => {
    const before = await stored(app);
    const outgoing = beginUpload(app, app.project.headers);
    outgoing.write(beginning() + header + rows(10, 'H'));
    expect(codes(await answerTo(outgoing))).toEqual(['REQUEST_TIMEOUT']);
    expect(await stored(app)).toEqual(before);
  });

  it('that ends without the closing boundary is refused, with an idempotency key too', async () => {
    for (const variables of [{}, { key: 'broken' }]) {
      const outgoing = beginUpload(app, app.project.headers);
      outgoing.end(beginning(variables) + header + rows(10, 'I'));
      const { data } = await answerTo(outgoing);
      expect(data.importVouchersCsv.userErrors).toMatchObject([{ field: ['input'], code: 'UPLOAD_BROKEN_OFF' }]);
    }
  });

  it('beyond the places is TOO_MANY_UPLOADS, until one is free', async () => {
    const held = [beginUpload(app, app.project.headers), beginUpload(app, app.project.headers)];
    const answers = held.map((outgoing) => answerTo(outgoing));
    for (const outgoing of held) outgoing.write(beginning() + header);
    const refused = await waitFor(
      async () => {
        const answer = await uploadCsv(app, `${header}${rows(1, 'J')}`);
        return answer.status === 503 ? answer : undefined;
      },
      { message: 'both places are taken' },
    );
    expect(refused && codes(refused)).toEqual(['TOO_MANY_UPLOADS']);
    expect(refused?.headers.get('retry-after')).toBe('1');
    await Promise.all(answers);
    expect((await uploadCsv(app, `${header}${rows(1, 'J')}`)).data.importVouchersCsv.userErrors).toEqual([]);
  });
});

describe('a gateway process', () => {
  it.each([
    ['of small rows', { rows: 300_000, noteBytes: 500, dryRun: false }],
    ['of large rows to be tried', { rows: 3_000, noteBytes: 50_000, dryRun: true }],
  ])(
    'takes a file of 150 MB %s in flat memory',
    { timeout: 120_000 },
    async (_what, { rows: total, noteBytes, dryRun }) => {
      const credentials = makeUpCredentials();
      await createProject(app.app.db, 'Large files', credentials);
      const gateway = await startServe({
        BULKCAST_ROLE: 'gateway',
        DATABASE_URL: app.database.url,
        REDIS_URL: inject('redisUrl'),
        BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC',
        NODE_OPTIONS: '--max-old-space-size=96',
      });
      onTestFinished(() => gateway.kill());
      const headers = { 'x-app-id': credentials.appId, 'x-app-token': credentials.appToken };
      const before = await memoryOf(gateway.pid, 'VmRSS');
      const outgoing = beginUpload(gateway, headers);
      const answered = answerTo(outgoing);
      outgoing.write(beginning({ dryRun }) + header.replace('\n', ',Note\n'));
      const note = 'x'.repeat(noteBytes);
      const atOnce = total / 300;
      for (let sent = 0; sent < total; sent += atOnce) {
        const lines = Array.from({ length: atOnce }, (_, index) => `L${sent + index},GIFT_VOUCHER,10,${note}\n`);
        if (!outgoing.write(lines.join(''))) await once(outgoing, 'drain');
      }
      outgoing.end(formEnd);
      const { data } = await answered;
      expect(data.importVouchersCsv).toMatchObject({ task: { counts: { total } }, userErrors: [] });
      expect((await memoryOf(gateway.pid, 'VmHWM')) - before).toBeLessThan(150_000_000);
    },
  );
});

/** Transactions of the app that have begun and wait for more. */
async function openTransactions(): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) from pg_stat_activity
    where datname = current_database() and state like 'idle in transaction%' and pid <> pg_backend_pid()`.execute(
    app.app.db,
  );
  return Number(rows[0]?.count);
}

/** Bytes of a process: what it has in memory (`VmRSS`), or has had at most (`VmHWM`). */
async function memoryOf(pid: number, name: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
}
