import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { authenticate, hashAppToken } from '../../src/auth/authenticate.ts';
import { createProject, makeUpCredentials } from '../../src/auth/projects.ts';
import { issueScopedToken, issueToken } from '../../src/auth/tokens.ts';
import type { Database } from '../../src/db/client.ts';
import { secret } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { openTestAuth, openTestDatabase, type TestAuth } from './fixtures.ts';

/** Longer than any test: what is known stays known. */
const long = 25_000;
const refused = { code: 'UNAUTHENTICATED' };

let db: Database;
let its: TestAuth;

beforeAll(async () => {
  db = await openTestDatabase();
});

beforeEach(async () => {
  its = await openTestAuth(db);
});

function keyPair() {
  const { appId, appToken } = its.project;
  return { appId, appToken };
}

async function merchantToken() {
  const subject = { projectId: its.projectId, username: its.project.username };
  return { authorization: `Bearer ${await issueToken(secret, subject, 600)}` };
}

async function scopedToken() {
  const subject = { projectId: its.projectId, appId: its.project.appId, scopes: ['api'] };
  return { authorization: `Bearer ${await issueScopedToken(secret, subject, new Date(Date.now() + 600_000))}` };
}

describe('a key pair', () => {
  test('is asked for once, however many come at a time and after', async () => {
    const auth = its.open(long);
    const callers = await Promise.all(Array.from({ length: 100 }, () => authenticate(auth, keyPair())));
    for (let turn = 0; turn < 100; turn += 1) callers.push(await authenticate(auth, keyPair()));
    const owner = { projectId: its.projectId, via: 'KEY', kind: 'KEY', name: its.project.appId, expiresAt: null };
    expect(new Set(callers.map((caller) => JSON.stringify(caller)))).toEqual(
      new Set([JSON.stringify({ ...owner, scopes: null, taskId: null })]),
    );
    expect(its.queries.count).toBe(1);
  });

  test('that is revoked is right for as long as the bound allows, and no longer', async () => {
    const bounded = its.open(long);
    const unbounded = its.open(0);
    await authenticate(bounded, keyPair());
    await authenticate(unbounded, keyPair());
    await its.revokeKey();
    expect(await authenticate(bounded, keyPair())).toMatchObject({ name: its.project.appId });
    await expect(authenticate(unbounded, keyPair())).rejects.toMatchObject(refused);
    await expect(authenticate(unbounded, keyPair())).rejects.toMatchObject(refused);
  });

  test('that is created after it was refused is right at once', async () => {
    const auth = its.open(long);
    const later = makeUpCredentials();
    await expect(authenticate(auth, later)).rejects.toMatchObject(refused);
    await createProject(db, 'Later', later);
    expect(await authenticate(auth, { appId: later.appId, appToken: later.appToken })).toMatchObject({ via: 'KEY' });
  });

  test('whose token was changed is right at once, and the old token is wrong from then on', async () => {
    const auth = its.open(long);
    await authenticate(auth, keyPair());
    const changed = { token_hash: hashAppToken('another') };
    await db.updateTable('api_keys').set(changed).where('app_id', '=', its.project.appId).execute();
    expect(await authenticate(auth, { ...keyPair(), appToken: 'another' })).toMatchObject({ via: 'KEY' });
    await expect(authenticate(auth, keyPair())).rejects.toMatchObject(refused);
  });

  test('is not locked out by wrong tokens that come with it', async () => {
    const auth = its.open(long);
    const wrong = { ...keyPair(), appToken: 'wrong' };
    const answers = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) => authenticate(auth, index % 2 === 0 ? keyPair() : wrong)),
    );
    expect(answers.map(({ status }) => status)).toEqual(
      answers.map((_, index) => (index % 2 === 0 ? 'fulfilled' : 'rejected')),
    );
    expect(its.queries.count).toBeLessThan(5);
  });

  test.each([
    ['an unknown id', { appId: 'nobody', appToken: 'nothing' }],
    ['an id that Postgres cannot hold', { appId: 'a\0b', appToken: 'nothing' }],
    ['no id', { appToken: 'nothing' }],
    ['no token', { appId: 'nobody' }],
    ["a merchant's name", { appId: 'MERCHANT nobody', appToken: '' }],
  ])('with %s is refused', async (_name, credentials) => {
    await expect(async () => authenticate(its.open(long), credentials)).rejects.toMatchObject(refused);
  });

  test('is asked for again when the database could not be asked', async () => {
    const auth = its.open(long);
    await db.schema.alterTable('api_keys').renameTo('hidden').execute();
    await expect(authenticate(auth, keyPair())).rejects.toThrow('does not exist');
    await db.schema.alterTable('hidden').renameTo('api_keys').execute();
    expect(await authenticate(auth, keyPair())).toMatchObject({ via: 'KEY' });
  });
});

describe('a token', () => {
  test('asks for whom it stands for once', async () => {
    const auth = its.open(long);
    const [first, ...others] = await Promise.all(Array.from({ length: 3 }, () => merchantToken()));
    for (const token of [first, first, ...others]) {
      expect(await authenticate(auth, token ?? {})).toMatchObject({
        projectId: its.projectId,
        via: 'TOKEN',
        kind: 'MERCHANT',
        name: its.project.username,
      });
    }
    expect(its.queries.count).toBe(1);
  });

  test('ends with the merchant it stands for', async () => {
    const auth = its.open(0);
    const token = await merchantToken();
    expect(await authenticate(auth, token)).toMatchObject({ kind: 'MERCHANT' });
    await its.disableMerchant();
    await expect(authenticate(auth, token)).rejects.toMatchObject(refused);
  });

  test('ends with the key pair it stands for', async () => {
    const auth = its.open(0);
    const token = await scopedToken();
    expect(await authenticate(auth, token)).toMatchObject({ kind: 'KEY', scopes: ['api'] });
    await its.revokeKey();
    await expect(authenticate(auth, token)).rejects.toMatchObject(refused);
  });

  test("is no good for another project than the principal's", async () => {
    const otherId = await createProject(db, 'Other', makeUpCredentials());
    const token = await issueToken(secret, { projectId: otherId, username: its.project.username }, 600);
    await expect(authenticate(its.open(long), { authorization: `Bearer ${token}` })).rejects.toMatchObject(refused);
  });

  test('that was right is refused when it has ended, also where it is remembered', async () => {
    const auth = its.open(long);
    const subject = { projectId: its.projectId, username: its.project.username };
    const credentials = { authorization: `Bearer ${await issueToken(secret, subject, 2)}` };
    const caller = await authenticate(auth, credentials);
    const isOver = () => Date.now() >= Number(caller?.expiresAt);
    await waitFor(isOver, { message: 'the token has ended' });
    await expect(authenticate(auth, credentials)).rejects.toMatchObject(refused);
    await expect(authenticate(auth, credentials)).rejects.toMatchObject(refused);
  });
});
