import { beforeAll, beforeEach, expect, test } from 'vitest';
import { authenticate } from '../../src/auth/authenticate.ts';
import type { Caller } from '../../src/auth/caller.ts';
import { createProject, makeUpCredentials } from '../../src/auth/projects.ts';
import type { Loss, StandingListener } from '../../src/auth/standings.ts';
import { openStandings } from '../../src/auth/standings.ts';
import { issueToken, issueWatchToken } from '../../src/auth/tokens.ts';
import type { Database } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { atEndOfFile } from '../support/at-end.ts';
import { secret } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { openTestAuth, openTestDatabase, type TestAuth } from './fixtures.ts';

const often = 50;

let db: Database;
let its: TestAuth;

beforeAll(async () => {
  db = await openTestDatabase();
});

beforeEach(async () => {
  its = await openTestAuth(db);
});

interface Told extends StandingListener {
  readonly warnings: Date[];
  readonly losses: Loss[];
}

function createListener(): Told {
  const warnings: Date[] = [];
  const losses: Loss[] = [];
  return {
    warnings,
    losses,
    expiring: (expiresAt) => warnings.push(expiresAt),
    lost: (reason) => losses.push(reason),
  };
}

async function known(caller: ReturnType<typeof authenticate>): Promise<Caller> {
  const found = await caller;
  if (found === null) throw new Error('expected a caller');
  return found;
}

function byKey(auth = its.open(25_000)): Promise<Caller> {
  return known(authenticate(auth, its.project));
}

async function byToken(seconds: number): Promise<Caller> {
  const subject = { projectId: its.projectId, username: its.project.username };
  const authorization = `Bearer ${await issueToken(secret, subject, seconds)}`;
  return known(authenticate(its.open(25_000), { authorization }));
}

async function byWatchToken(taskId: string): Promise<Caller> {
  const owner = { projectId: its.projectId, kind: 'KEY', name: its.project.appId } as const;
  const token = await issueWatchToken(secret, owner, taskId, new Date(Date.now() + 600_000));
  return known(authenticate(its.open(25_000), { authorization: `Bearer ${token}` }));
}

test('tells every follower of a key that it was revoked, once, and asks for the key once for all', async () => {
  const auth = its.open(often);
  const caller = await byKey();
  const listeners = Array.from({ length: 2_000 }, createListener);
  for (const listener of listeners) auth.standings.follow(caller, listener);
  expect(auth.standings.count()).toEqual({ followers: 2_000, principals: 1 });
  const before = its.queries.count;
  await waitFor(() => its.queries.count >= before + 3, { message: 'it asks again and again' });
  expect(listeners.flatMap(({ losses }) => losses)).toEqual([]);
  await its.revokeKey();
  await waitFor(() => listeners.some(({ losses }) => losses.length > 0), { message: 'the loss is told' });
  expect(listeners.map(({ losses }) => losses)).toEqual(listeners.map(() => ['REVOKED']));
  expect(auth.standings.count()).toEqual({ followers: 0, principals: 0 });
  const after = its.queries.count;
  await expect(authenticate(auth, its.project)).rejects.toThrow();
  expect(its.queries.count - after).toBeLessThanOrEqual(1);
});

test('tells the holders of its tokens that a merchant was disabled, and nobody else', async () => {
  const { standings } = its.open(often);
  const [merchant, key, watcher] = [createListener(), createListener(), createListener()];
  standings.follow(await byToken(600), merchant);
  standings.follow(await byKey(), key);
  standings.follow(await byWatchToken('some-task'), watcher);
  expect(standings.count()).toEqual({ followers: 3, principals: 2 });
  await its.disableMerchant();
  await waitFor(() => merchant.losses.length > 0, { message: 'the loss is told' });
  expect([merchant.losses, key.losses, watcher.losses]).toEqual([['REVOKED'], [], []]);
  await its.revokeKey();
  await waitFor(() => watcher.losses.length > 0, { message: 'the loss of the key is told' });
  expect([key.losses, watcher.losses]).toEqual([['REVOKED'], ['REVOKED']]);
});

test('asks in a query for thousands of distinct keys', async () => {
  const { standings } = its.open(often);
  const caller = await byKey();
  const owner = createListener();
  standings.follow(caller, owner);
  const strangers = Array.from({ length: 3_000 }, (_, index) => ({ ...caller, name: `nobody ${index}` }));
  const listeners = strangers.map((stranger) => {
    const listener = createListener();
    standings.follow(stranger, listener);
    return listener;
  });
  const before = its.queries.count;
  await waitFor(() => listeners[0]?.losses.length, { message: 'the strangers are told' });
  // Its owner is asked for again and again meanwhile.
  expect(its.queries.count).toBeLessThan(before + 10);
  expect(listeners.every(({ losses }) => losses.length === 1)).toBe(true);
  expect(owner.losses).toEqual([]);
});

test('warns before a token ends, and tells when it has, without asking the database for that', async () => {
  const { principals } = its.open(25_000);
  const standings = openStandings({ principals, log: createLog('silent'), everyMs: 1_000, warningMs: 1_000 });
  atEndOfFile(() => standings.stop());
  const caller = await byToken(3);
  const listener = createListener();
  standings.follow(caller, listener);
  expect(listener.warnings).toEqual([]);
  await waitFor(() => listener.warnings.length > 0, { message: 'the warning comes' });
  expect([listener.warnings, listener.losses]).toEqual([[caller.expiresAt], []]);
  await waitFor(() => listener.losses.length > 0, { message: 'the token has ended' });
  expect(Date.now()).toBeGreaterThanOrEqual(Number(caller.expiresAt));
  expect([listener.warnings.length, listener.losses]).toEqual([1, ['EXPIRED']]);
});

test('warns soon of a token that lasts no longer than the warning', async () => {
  const { standings } = its.open(often);
  const listener = createListener();
  standings.follow(await byToken(20), listener);
  await waitFor(() => listener.warnings.length > 0, { message: 'the warning comes' });
  expect(listener.losses).toEqual([]);
});

test('goes on with a newer token, and ends with that one', async () => {
  const { standings } = its.open(often);
  const listener = createListener();
  const following = standings.follow(await byToken(2), listener);
  await waitFor(() => listener.warnings.length > 0, { message: 'the warning comes' });
  const first = await byToken(2);
  const second = await byToken(4);
  following.renew(second);
  await waitFor(() => Date.now() > Number(first.expiresAt), { message: 'the first token has ended' });
  expect(listener.losses).toEqual([]);
  await waitFor(() => listener.losses.length > 0, { message: 'the second token has ended' });
  expect(listener.warnings).toContainEqual(second.expiresAt);
  expect(listener.losses).toEqual(['EXPIRED']);
  following.renew(await byKey());
  expect(standings.count().followers).toBe(0);
});

test('renews with what allows the same or more in the same project, and with nothing else', async () => {
  const { standings } = its.open(often);
  const key = await byKey();
  const watcher = await byWatchToken('one');
  const follow = (caller: Caller) => standings.follow(caller, createListener());
  const forbidden = expect.objectContaining({ code: 'FORBIDDEN' });
  const otherId = await createProject(db, 'Other', makeUpCredentials());
  const scoped = (...scopes: string[]) => ({ ...key, scopes });
  const allowed: [Caller, Caller][] = [
    [watcher, await byWatchToken('one')],
    [watcher, key],
    [key, await byToken(60)],
    [scoped('orders'), scoped('orders', 'vouchers')],
    [scoped('orders'), scoped('api')],
    [key, scoped('api')],
  ];
  const refused: [Caller, Caller][] = [
    [watcher, await byWatchToken('two')],
    [key, watcher],
    [key, { ...key, projectId: otherId }],
    [key, scoped('orders')],
    [scoped('orders', 'vouchers'), scoped('orders')],
  ];
  for (const [from, to] of allowed) expect(() => follow(from).renew(to)).not.toThrow();
  for (const [from, to] of refused) expect(() => follow(from).renew(to)).toThrow(forbidden);
});

test('tells nothing to whom has stopped, and keeps nothing of it', async () => {
  const { standings } = its.open(often);
  const [ofKey, ofToken] = [createListener(), createListener()];
  const [key, token] = [await byKey(), await byToken(1)];
  // Stopped in the same turn, before the token's end is warned of.
  for (const following of [standings.follow(key, ofKey), standings.follow(token, ofToken)]) {
    following.stop();
    following.stop();
  }
  expect(standings.count()).toEqual({ followers: 0, principals: 0 });
  const end = createListener();
  standings.follow(await byToken(1), end);
  await its.revokeKey();
  await waitFor(() => end.losses.length > 0, { message: 'the token has ended' });
  expect([ofKey, ofToken].flatMap(({ warnings, losses }) => [...warnings, ...losses])).toEqual([]);
});

test('takes nobody for revoked while the database cannot be asked, nor because another listener throws', async () => {
  const { standings } = its.open(often);
  const caller = await byKey();
  const listener = createListener();
  const broken = {
    lost: () => {
      throw new Error('a listener that fails');
    },
  };
  standings.follow(caller, broken);
  standings.follow(caller, listener);
  await db.schema.alterTable('api_keys').renameTo('hidden').execute();
  const before = its.queries.count;
  await waitFor(() => its.queries.count >= before + 3, { message: 'it asks in vain' });
  await db.schema.alterTable('hidden').renameTo('api_keys').execute();
  expect(listener.losses).toEqual([]);
  await its.revokeKey();
  await waitFor(() => listener.losses.length > 0, { message: 'the loss is told' });
  expect(listener.losses).toEqual(['REVOKED']);
});

test('tells nothing more when it is stopped', async () => {
  const auth = its.open(often);
  const listener = createListener();
  auth.standings.follow(await byKey(), listener);
  await Promise.all([auth.stop(), auth.stop()]);
  await its.revokeKey();
  expect(auth.standings.count()).toEqual({ followers: 0, principals: 0 });
  expect(listener.losses).toEqual([]);
});
