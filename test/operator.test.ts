import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createDatabase } from './support/database.ts';
import { type ServeProcess, startServe } from './support/processes.ts';
import { waitFor } from './support/wait.ts';

const root = join(import.meta.dirname, '..');

/** What a command printed. */
async function run(env: Record<string, string>, ...args: string[]): Promise<string> {
  const options = { cwd: root, env: { PATH: process.env.PATH, ...env }, timeout: 60_000 };
  const { stdout } = await promisify(execFile)(process.execPath, ['src/main.ts', ...args], options);
  return stdout;
}

/** What a command that fails printed, and its exit code. */
async function fail(env: Record<string, string>, ...args: string[]) {
  const failed: unknown = await run(env, ...args).catch((error: unknown) => error);
  const { code, stdout, stderr } = Object(failed);
  return { code, stdout, stderr };
}

function secretsIn(printed: string): Record<string, string> {
  return Object.fromEntries([...printed.matchAll(/^ {2}([\w-]+): (\S+)$/gm)].map(([, name, value]) => [name, value]));
}

// Each command is a process of its own.
const timeout = 90_000;

describe('while bulkcast runs on the embedded default', { timeout }, () => {
  let environment: Record<string, string>;
  let service: ServeProcess;
  let first: { appId: string; appToken: string; username: string; password: string };

  beforeAll(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'bulkcast-operator-'));
    environment = { BULKCAST_DATA_DIR: dataDir };
    service = await startServe({ ...environment, BULKCAST_CREDENTIALS_MAX_AGE_MS: '200' });
    first = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8')).project;
  });

  afterAll(async () => {
    await service.stop();
    await rm(environment.BULKCAST_DATA_DIR ?? '', { recursive: true, force: true });
  });

  const call = async (headers: Record<string, string>) => {
    const response = await fetch(`${service.url}/v1/async-actions`, { headers });
    return response.status;
  };
  const signIn = async (username = '', password = '') => {
    const body = new URLSearchParams({ username, password });
    const response = await fetch(`${service.url}/v2/token`, { method: 'POST', body });
    return response.status;
  };
  const firstProject = async () => /^\S{36}/.exec(await run(environment, 'project', 'list'))?.[0] ?? '';

  test('a key is changed: the new one is good at once, the old one soon no more', async () => {
    const old = { 'X-App-Id': first.appId, 'X-App-Token': first.appToken };
    expect(await call(old)).toBe(200);
    const key = secretsIn(await run(environment, 'key', 'create', await firstProject()));
    expect(Object.keys(key)).toEqual(['X-App-Id', 'X-App-Token']);
    expect(await call(key)).toBe(200);
    const revoked = await run(environment, 'key', 'revoke', first.appId);
    expect(revoked).toContain(`Key ${first.appId} is revoked since `);
    await waitFor(async () => (await call(old)) === 401, { message: 'the old key is refused' });
    expect(await call(key)).toBe(200);
    expect(await run(environment, 'key', 'revoke', first.appId)).toBe(revoked);
    const list = await run(environment, 'project', 'list');
    expect(list).toMatch(new RegExp(`key ${first.appId}, revoked 20`));
    expect(list).toContain(`key ${key['X-App-Id']}\n`);
  });

  test('a merchant is disabled, and another one added', async () => {
    expect(await signIn(first.username, first.password)).toBe(200);
    const added = secretsIn(await run(environment, 'merchant', 'create', await firstProject()));
    await run(environment, 'merchant', 'disable', first.username);
    expect(await signIn(first.username, first.password)).toBe(401);
    expect(await signIn(added.username, added.password)).toBe(200);
  });

  test('a second project is added, with all that it needs', async () => {
    const secrets = secretsIn(await run(environment, 'project', 'create', 'Second shop'));
    expect(Object.keys(secrets)).toEqual(['X-App-Id', 'X-App-Token', 'username', 'password', 'programId']);
    const { programId, username, password, ...key } = secrets;
    expect(await call(key)).toBe(200);
    expect(await signIn(username, password)).toBe(200);
    const path = `${service.url}/v2/giftcards/programs/${programId}/cards/bulk`;
    const headers = { ...key, 'content-type': 'application/json' };
    const issued = await fetch(path, { method: 'POST', headers, body: JSON.stringify({ initialValue: 5, count: 1 }) });
    expect(issued.status).toBe(201);
    expect(await run(environment, 'project', 'list')).toMatch(/ First project\n(.*\n)+\S{36} Second shop\n {2}key /);
  });
});

describe('with DATABASE_URL', { timeout }, () => {
  let environment: Record<string, string>;

  beforeAll(async () => {
    environment = { DATABASE_URL: (await createDatabase()).url };
  });

  test('needs nothing else, and no server', async () => {
    const created = await run(environment, 'project', 'create', 'First');
    expect(secretsIn(created)).toHaveProperty('programId');
    expect(await run(environment, 'project', 'list')).toContain(' First\n');
  });

  const remedy = '; `bulkcast project list` shows those that there are\n';

  test.each([
    [['key', 'revoke', 'nobody'], `there is no key nobody${remedy}`],
    [['merchant', 'disable', 'nobody'], `there is no merchant nobody${remedy}`],
    [['key', 'create', 'no id'], `there is no project no id${remedy}`],
    [['project', 'create', ' '], 'NAME: expected 1 to 200 characters\n'],
  ])('%j fails in one line', async (args, message) => {
    expect(await fail(environment, ...args)).toEqual({ code: 1, stdout: '', stderr: message });
  });

  test('says what to do when the database is not ready for this release', async () => {
    const { code, stderr } = await fail({ DATABASE_URL: inject('maintenanceUrl') }, 'project', 'list');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^the database lacks .* run `npm run migrate`.*\n$/)]);
  });
});

test('says what to do when nothing runs', async () => {
  const dataDir = join(tmpdir(), 'bulkcast-that-is-not-there');
  const { code, stderr } = await fail({ BULKCAST_DATA_DIR: dataDir }, 'project', 'list');
  const expected = `no bulkcast runs on the data directory ${dataDir}: start it with \`npm start\`, or set DATABASE_URL\n`;
  expect([code, stderr]).toEqual([1, expected]);
});

test.each([[['key', 'revoke']], [['key', 'revoke', 'one', 'two']], [['project', 'list', 'one']]])(
  '%j is told the commands that there are',
  async (args) => {
    const { code, stdout, stderr } = await fail({}, ...args);
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining('bulkcast key revoke APP_ID ')]);
  },
);
