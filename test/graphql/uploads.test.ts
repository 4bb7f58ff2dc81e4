import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { sql } from 'kysely';
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { createProject, makeUpCredentials } from '../../src/auth/projects.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { startServe } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';
import { ask, codes, type Headers, post, succeeded } from './client.ts';

const upload = `mutation ($file: File!, $key: String) {
  importVouchersCsv(input: { file: $file }, idempotencyKey: $key) { task { id counts { total } } userErrors { field message code } }
}`;

interface Uploaded {
  readonly importVouchersCsv: {
    readonly task: { readonly id: string; readonly counts: { readonly total: number } } | null;
    readonly userErrors: readonly { field: string[]; message: string; code: string }[];
  };
}

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({
    settings: { BULKCAST_MAX_UPLOADS: '2', BULKCAST_UPLOAD_STALL_MS: '300', BULKCAST_MAX_UPLOAD_BYTES: '10000000' },
  });
});

const operations = (variables: object = {}) =>
  JSON.stringify({ query: upload, variables: { file: null, ...variables } });
const header = 'Code,Voucher Type,Value\n';
const rows = (count: number, prefix: string) =>
  Array.from({ length: count }, (_, index) => `${prefix}${index},GIFT_VOUCHER,10\n`).join('');

/** The parts in their order; a file may be called by its digit with a `#` before, for JavaScript would put that first. */
function form(parts: Readonly<Record<string, string | Blob>>): FormData {
  const data = new FormData();
  for (const [key, value] of Object.entries(parts)) {
    const name = key.replace('#', '');
    if (typeof value === 'string') data.append(name, value);
    else data.append(name, value, 'vouchers.csv');
  }
  return data;
}

const send = (csv: string, variables: object = {}) =>
  post<Uploaded>(
    app,
    form({ operations: operations(variables), map: '{"0":["variables.file"]}', '#0': new Blob([csv]) }),
    app.project.headers,
  );

describe('a file', () => {
  it('is staged and imported', async () => {
    const answer = await send(`${header}${rows(4_500, 'A')}BROKEN,GIFT_VOUCHER,nothing\n`);
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
    const first = await send(csv, { key: 'file' });
    const second = await send(csv, { key: 'file' });
    expect(second.data.importVouchersCsv.task?.id).toBe(first.data.importVouchersCsv.task?.id);
    const third = await send(`${csv}D,GIFT_VOUCHER,1\n`, { key: 'file' });
    expect(third.data.importVouchersCsv.userErrors).toMatchObject([{ code: 'IDEMPOTENCY_KEY_REUSED' }]);
  });

  it.each([
    ['an empty file', ''],
    ['no known column', 'a,b\n1,2\n'],
    ['a quote that is never closed', `${header}"A,GIFT_VOUCHER,1\n${rows(10, 'E')}`],
    ['one line of 9 MB', `${header}${'x'.repeat(9_000_000)},GIFT_VOUCHER,1\n`],
  ])('of %s is a user error and leaves nothing behind', async (_name, csv) => {
    const before = await stored();
    const { data } = await send(csv);
    expect(data.importVouchersCsv).toEqual({
      task: null,
      userErrors: [{ field: ['input', 'file'], code: expect.any(String), message: expect.any(String) }],
    });
    expect(await stored()).toEqual(before);
  });

  it('of another encoding is a user error', async () => {
    const parts = {
      operations: operations(),
      map: '{"0":["variables.file"]}',
      '#0': new Blob([Buffer.from(`${header}Caf\xe9,GIFT_VOUCHER,1\n`, 'latin1')]),
    };
    const { data } = await post<Uploaded>(app, form(parts), app.project.headers);
    expect(data.importVouchersCsv.userErrors).toMatchObject([
      { field: ['input', 'file'], message: expect.stringContaining('UTF-8') },
    ]);
  });

  it.each([
    ['that says how large it is', false],
    ['that does not', true],
  ])('over the limit %s is PAYLOAD_TOO_LARGE and leaves nothing behind', async (_name, isChunked) => {
    const before = await stored();
    const outgoing = begin(app, app.project.headers, isChunked ? {} : { 'content-length': '15000000' });
    outgoing.write(prefix());
    outgoing.write(`${header}${rows(500_000, 'F')}`);
    const answer = await answerTo(outgoing);
    expect(codes(answer)).toEqual(['PAYLOAD_TOO_LARGE']);
    expect(await stored()).toEqual(before);
  });

  it('that breaks off leaves nothing behind', async () => {
    const before = await stored();
    for (const bytes of [0, 100, 1_000_000]) {
      const outgoing = begin(app, app.project.headers);
      outgoing.on('error', () => undefined);
      outgoing.write(prefix() + header + rows(100_000, 'G').slice(0, bytes));
      await waitFor(async () => (await openTransactions()) > 0, { message: 'the file is being staged' });
      outgoing.destroy();
      await waitFor(async () => (await openTransactions()) === 0, { message: 'the transaction is over' });
    }
    expect(await stored()).toEqual(before);
    expect(app.logs.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('that stalls is REQUEST_TIMEOUT and leaves nothing behind', async () => {
    const before = await stored();
    const outgoing = begin(app, app.project.headers);
    outgoing.write(prefix() + header + rows(10, 'H'));
    expect(codes(await answerTo(outgoing))).toEqual(['REQUEST_TIMEOUT']);
    expect(await stored()).toEqual(before);
  });

  it('that ends without the closing boundary is refused, with an idempotency key too', async () => {
    for (const variables of [{}, { key: 'broken' }]) {
      const outgoing = begin(app, app.project.headers);
      outgoing.end(prefix(variables) + header + rows(10, 'I'));
      const { data } = await answerTo<Uploaded>(outgoing);
      expect(data.importVouchersCsv.userErrors).toMatchObject([{ field: ['input'], code: 'UPLOAD_BROKEN_OFF' }]);
    }
  });

  it('beyond the places is TOO_MANY_UPLOADS, until one is free', async () => {
    const held = [begin(app, app.project.headers), begin(app, app.project.headers)];
    const answers = held.map((outgoing) => answerTo(outgoing));
    for (const outgoing of held) outgoing.write(prefix() + header);
    const refused = await waitFor(
      async () => {
        const answer = await send(`${header}${rows(1, 'J')}`);
        return answer.status === 503 ? answer : undefined;
      },
      { message: 'both places are taken' },
    );
    expect(refused && codes(refused)).toEqual(['TOO_MANY_UPLOADS']);
    expect(refused?.headers.get('retry-after')).toBe('1');
    await Promise.all(answers);
    expect((await send(`${header}${rows(1, 'J')}`)).data.importVouchersCsv.userErrors).toEqual([]);
  });
});

describe('a multipart request', () => {
  const file = new Blob([`${header}${rows(1, 'K')}`]);
  const map = '{"0":["variables.file"]}';
  it.each<[string, Readonly<Record<string, string | Blob>>, string]>([
    ['without operations', { map, '#0': file }, '"operations"'],
    ['without a map', { operations: operations(), '#0': file }, '"map"'],
    ['whose file comes first', { '#0': file, operations: operations(), map }, '"operations"'],
    ['whose operations are no JSON', { operations: '{', map, '#0': file }, '"operations"'],
    ['of a batch', { operations: `[${operations()}]`, map, '#0': file }, 'batching'],
    ['whose map is no JSON', { operations: operations(), map: 'x', '#0': file }, '"map"'],
    ['of another file than the map says', { operations: operations(), map, '#1': file }, '"1" came'],
    ['without the file', { operations: operations(), map }, 'no file came'],
    [
      'of a map of two files',
      { operations: operations(), map: '{"0":["variables.file"],"1":["variables.b"]}', '#0': file },
      'one file',
    ],
    [
      'of a file in two places',
      { operations: operations(), map: '{"0":["variables.file","variables.file"]}', '#0': file },
      'one file',
    ],
    [
      'of a path that leads nowhere',
      { operations: operations(), map: '{"0":["variables.input.file"]}', '#0': file },
      'variables.input.file',
    ],
    ['of a path to the query', { operations: operations(), map: '{"0":["query"]}', '#0': file }, '"query"'],
    [
      'of a path to a prototype',
      { operations: operations(), map: '{"0":["variables.__proto__.file"]}', '#0': file },
      '__proto__',
    ],
  ])('%s is refused', async (_name, parts, message) => {
    const answer = await post(app, form(parts), app.project.headers);
    expect(answer.status).toBe(400);
    expect(answer.errors).toMatchObject([
      { message: expect.stringContaining(message), extensions: { code: 'BAD_USER_INPUT' } },
    ]);
  });

  it('without a file is an ordinary request', async () => {
    const parts = { operations: JSON.stringify({ query: '{ __typename }' }), map: '{}' };
    expect((await post(app, form(parts), app.project.headers)).data).toEqual({ __typename: 'Query' });
  });

  it('of a second file is refused, the first one included', async () => {
    const before = await stored();
    const parts = { operations: operations(), map, '#0': file, '#1': file };
    const { data } = await post<Uploaded>(app, form(parts), app.project.headers);
    expect(data.importVouchersCsv.userErrors).toMatchObject([{ code: 'TOO_MANY_FILES' }]);
    expect(await stored()).toEqual(before);
  });

  it('cannot put a text where a file belongs', async () => {
    const answer = await ask(app, upload, { file: 'Code\nA\n' });
    expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
    expect(answer.errors?.[0]?.message).toContain('multipart/form-data');
  });
});

describe('a gateway process', () => {
  it('takes a file of 150 MB in flat memory', { timeout: 120_000 }, async () => {
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
    const outgoing = begin(gateway, headers);
    const answered = answerTo<Uploaded>(outgoing);
    outgoing.write(prefix() + header.replace('\n', ',Note\n'));
    const note = 'x'.repeat(500);
    for (let sent = 0; sent < 300_000; sent += 1_000) {
      const chunk = Array.from({ length: 1_000 }, (_, index) => `L${sent + index},GIFT_VOUCHER,10,${note}\n`).join('');
      if (!outgoing.write(chunk)) await once(outgoing, 'drain');
    }
    outgoing.end(`\r\n--xxx--\r\n`);
    const { data } = await answered;
    expect(data.importVouchersCsv).toMatchObject({ task: { counts: { total: 300_000 } }, userErrors: [] });
    expect((await memoryOf(gateway.pid, 'VmHWM')) - before).toBeLessThan(150_000_000);
  });
});

function prefix(variables: object = {}): string {
  const field = (name: string, value: string) =>
    `--xxx\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const file = `--xxx\r\ncontent-disposition: form-data; name="0"; filename="a.csv"\r\ncontent-type: text/csv\r\n\r\n`;
  return field('operations', operations(variables)) + field('map', '{"0":["variables.file"]}') + file;
}

function begin(to: { readonly url: string }, headers: Headers, more: Headers = {}): ClientRequest {
  const type = 'multipart/form-data; boundary=xxx';
  return request(`${to.url}/graphql`, { method: 'POST', headers: { ...headers, ...more, 'content-type': type } });
}

async function answerTo<Data>(outgoing: ClientRequest): Promise<{ data: Data; errors: undefined }> {
  const [response]: IncomingMessage[] = await once(outgoing, 'response');
  outgoing.on('error', () => undefined);
  const chunks: Buffer[] = [];
  for await (const chunk of response ?? []) chunks.push(chunk);
  return JSON.parse(String(Buffer.concat(chunks)));
}

async function stored(): Promise<unknown> {
  const count = (table: 'tasks' | 'chunks' | 'idempotency_keys') =>
    app.app.db
      .selectFrom(table)
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
  return [await count('tasks'), await count('chunks'), await count('idempotency_keys')];
}

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
