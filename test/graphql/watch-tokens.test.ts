import { decodeJwt } from 'jose';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { operations as bulkOperations } from '../../src/operations/index.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import {
  ask,
  codes,
  type Headers,
  importVouchers,
  issueCards,
  overSse,
  overWebSocket,
  readAll,
  succeeded,
} from './client.ts';
import { askEveryField, rootFields, taskFields } from './root-fields.ts';

const create = `mutation ($input: CreateWatchTokenInput!) {
  createWatchToken(input: $input) { token expiresAt userErrors { field code } }
}`;
const task = 'query ($id: ID!) { bulkTask(id: $id) { __typename ... on TaskProgress { id state counts { total } } } }';

interface Created {
  readonly createWatchToken: {
    readonly token: string | null;
    readonly expiresAt: string | null;
    readonly userErrors: readonly object[];
  };
}

let app: TestApp;
let issuance: string;
let action: string;

beforeAll(async () => {
  app = await startTestApp();
  issuance = await issueCards(app, 3);
  action = await importVouchers(app, [{ code: 'SECRET', gift: { amount: 1 } }, { code: 'SECRET' }]);
  for (const id of [issuance, action]) await succeeded(app, id);
});

async function createToken(input: object, headers?: Headers): Promise<Created['createWatchToken']> {
  const { data } = await ask<Created>(app, create, { input }, headers);
  return data.createWatchToken;
}

async function watcher(id: string): Promise<Headers> {
  return { authorization: `Bearer ${(await createToken({ id })).token}` };
}

describe('createWatchToken', () => {
  it('makes a token of 15 minutes, or of as long as is asked', async () => {
    for (const [input, seconds] of [
      [{ id: issuance }, 900],
      [{ id: issuance, seconds: 60 }, 60],
      [{ id: action, seconds: 3600 }, 3600],
    ] as const) {
      const { token, expiresAt, userErrors } = await createToken(input);
      expect(userErrors).toEqual([]);
      expect(decodeJwt(String(token)).exp).toBe(new Date(String(expiresAt)).getTime() / 1000);
      const lastsMs = new Date(String(expiresAt)).getTime() - Date.now();
      expect(lastsMs).toBeLessThanOrEqual(seconds * 1000);
      expect(lastsMs).toBeGreaterThan(seconds * 1000 - 10_000);
    }
  });

  it('makes none that outlives the token that asks for it', async () => {
    const authorization = await app.project.bearer(100);
    const { token, expiresAt } = await createToken({ id: issuance, seconds: 3600 }, { authorization });
    expect(decodeJwt(String(token)).exp).toBe(decodeJwt(authorization.slice('Bearer '.length)).exp);
    expect(decodeJwt(String(token)).exp).toBe(new Date(String(expiresAt)).getTime() / 1000);
  });

  it.each([
    ['a task that is unknown', { id: 'unknown' }, 'id', 'NOT_FOUND'],
    ['an id that no task can have', { id: 'a b' }, 'id', 'NOT_FOUND'],
    ['more than an hour', { id: 'unknown', seconds: 3601 }, 'seconds', 'TOO_BIG'],
    ['no time', { id: 'unknown', seconds: 0 }, 'seconds', 'TOO_SMALL'],
  ])('makes none for %s', async (_name, input, field, code) => {
    expect(await createToken(input)).toEqual({
      token: null,
      expiresAt: null,
      userErrors: [{ field: ['input', field], code }],
    });
  });

  it("makes none for another project's task", async () => {
    const stranger = await app.createProject();
    expect(await createToken({ id: issuance }, stranger.headers)).toMatchObject({
      token: null,
      userErrors: [{ code: 'NOT_FOUND' }],
    });
  });
});

/** What only the owner may see: a card number (a request id can have as many digits in a row), a link, a code. */
const secrets = /\b\d{16}\b|http|SECRET/;

describe('a watch token', () => {
  it('shows its task over HTTP and over a WebSocket, and no other', async () => {
    const headers = await watcher(issuance);
    const socket = overWebSocket(app, headers);
    onTestFinished(() => socket.dispose());
    const shown = {
      bulkTask: { __typename: 'BulkIssuanceTask', id: issuance, state: 'SUCCEEDED', counts: { total: 3 } },
    };
    expect((await ask(app, task, { id: issuance }, headers)).data).toEqual(shown);
    expect(await readAll(socket.subscribe(task, { id: issuance }))).toEqual([shown]);
    for (const id of [action, 'unknown']) {
      expect((await ask(app, task, { id }, headers)).data).toEqual({ bulkTask: null });
      expect(await readAll(socket.subscribe(task, { id }))).toEqual([{ bulkTask: null }]);
    }
  });

  it('shows what a task tells of itself; every other field is decided on below', async () => {
    const progress = `id state kind priority dryRun version progress counts { total processed succeeded failed }
      outcomeCounts { created updated skipped failed } ratePerSecond waitingReason
      createdAt startedAt updatedAt completedAt estimatedCompletionAt`;
    const query = `query ($id: ID!) { bulkTask(id: $id) {
      ... on TaskProgress { ${progress} }
      ... on BulkIssuanceTask { taskId programId issued: status issuedCount failedCount error }
      ... on AsyncAction { type status operationStatus requestId processingTime
        result {
          ... on CountResult { message doneCount }
          ... on ImportResult { message doneCount failedCount }
          ... on BulkUpdateResult { doneCount failedCount reportsAvailableTill }
        }
      }
    } }`;
    const shown = new Set(query.match(/\w+/g));
    const hidden = [
      'changedBy',
      'changeReason',
      'timeline',
      'phases',
      'parent',
      'children',
      'outcomes',
      'cards',
      'csvDownloadUrl',
      'errors',
      'failed',
      'failures',
      'reports',
    ];
    const undecided = taskFields().filter((name) => !shown.has(name) && !hidden.includes(name));
    expect(undecided).toEqual([]);
    for (const id of [issuance, action]) {
      const byOwner = await ask(app, query, { id });
      const byWatcher = await ask(app, query, { id }, await watcher(id));
      expect(byOwner.errors).toBeUndefined();
      expect([byWatcher.data, byWatcher.errors]).toEqual([byOwner.data, undefined]);
    }
  });

  it.each([
    ['cards', () => issuance, '... on BulkIssuanceTask { cards { nodes { cardNumber } } }'],
    ['the link to the cards', () => issuance, '... on BulkIssuanceTask { csvDownloadUrl }'],
    ['failures', () => action, '... on TaskProgress { failures { nodes { key } } }'],
    [
      'failed items',
      () => action,
      '... on AsyncAction { result { ... on ImportResult { failed { nodes { key } } } } }',
    ],
  ])('does not show %s', async (_name, id, selection) => {
    const query = `query ($id: ID!) { bulkTask(id: $id) { ${selection} } }`;
    const shown = await ask(app, query, { id: id() });
    expect([shown.errors, JSON.stringify(shown.data)]).toEqual([undefined, expect.stringMatching(secrets)]);
    const hidden = await ask(app, query, { id: id() }, await watcher(id()));
    expect(codes(hidden)).toEqual(['FORBIDDEN']);
    expect(JSON.stringify([hidden.data, hidden.errors])).not.toMatch(secrets);
  });

  it('does not show the reports and errors of a bulk update', async () => {
    const start = `mutation { updateVouchersMetadata(input: { codes: ["NONE"], metadata: {} }) { task { id } } }`;
    const started = await ask<{ updateVouchersMetadata: { task: { id: string } } }>(app, start);
    const { id } = started.data.updateVouchersMetadata.task;
    await succeeded(app, id);
    const headers = await watcher(id);
    for (const selection of ['reports', 'errors { nodes { key } }']) {
      const result = `result { ... on BulkUpdateResult { ${selection} } }`;
      const query = `query ($id: ID!) { bulkTask(id: $id) { ... on AsyncAction { ${result} } } }`;
      expect((await ask(app, query, { id })).errors).toBeUndefined();
      expect(codes(await ask(app, query, { id }, headers))).toEqual(['FORBIDDEN']);
    }
  });

  it('opens no root field but that of its task, which is another for every other id', async () => {
    const answers = await askEveryField(app, await watcher(issuance));
    expect([...answers.keys()].sort()).toEqual(rootFields());
    const watched = ['Query.bulkTask', 'Subscription.bulkTask'];
    const others = [...answers].filter(([field]) => !watched.includes(field));
    expect(others.map(([field, { codes }]) => [field, codes])).toEqual(others.map(([field]) => [field, ['FORBIDDEN']]));
    expect(others.length).toBeGreaterThan(bulkOperations.size);
    expect(answers.get('Query.bulkTask')).toEqual({ codes: [], data: { bulkTask: null } });
    expect(answers.get('Subscription.bulkTask')?.data).toBeFalsy();
  });

  it('starts nothing, and creates no token, not even for its own task', async () => {
    const headers = await watcher(issuance);
    const tasks = '{ bulkTasks(first: 100) { nodes { __typename } } }';
    const before = (await ask(app, tasks)).data;
    expect(codes(await ask(app, create, { input: { id: issuance } }, headers))).toEqual(['FORBIDDEN']);
    await askEveryField(app, headers);
    expect((await ask(app, tasks)).data).toEqual(before);
  });

  it('does not show the changes of the project', async () => {
    const sse = overSse(app, await watcher(issuance));
    onTestFinished(() => sse.dispose());
    const { value } = await sse.subscribe('subscription { bulkTasks { __typename } }').next();
    expect(value).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
  });
});
