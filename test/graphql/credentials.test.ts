import { once } from 'node:events';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp, type TestApp, type TestProject } from '../support/gateway.ts';
import { ask, codes, type Headers, issueCards, overSse, overWebSocket, post, readAll } from './client.ts';

const task = 'query ($id: ID!) { bulkTask(id: $id) { __typename } }';
const watchTask = 'subscription ($id: ID!) { bulkTask(id: $id) { __typename } }';
const issue =
  'mutation ($input: IssueGiftCardsInput!) { issueGiftCards(input: $input) { task { id } userErrors { code } } }';

let app: TestApp;
let stranger: TestProject;
let id: string;
/** A task that does not end: no worker runs. */
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
  stranger = await app.createProject();
  id = await issueCards(app, 3);
});

const wrong: [string, () => Headers | Promise<Headers>][] = [
  ['a wrong X-App-Token', () => ({ ...app.project.headers, 'x-app-token': 'wrong' })],
  ['an unknown X-App-Id', () => ({ ...app.project.headers, 'x-app-id': 'nobody' })],
  ["another project's X-App-Token", () => ({ ...app.project.headers, 'x-app-token': stranger.appToken })],
  ['an X-App-Id alone', () => ({ 'x-app-id': app.project.appId })],
  ['a forged token', async () => ({ authorization: `${await app.project.bearer()}x` })],
  ['an expired token', async () => ({ authorization: await app.project.bearer(-1) })],
  ['another scheme', () => ({ authorization: 'Basic dTpw' })],
];

describe('over HTTP', () => {
  it('a key pair and a token both show the project', async () => {
    const bearer = { authorization: await app.project.bearer() };
    for (const headers of [app.project.headers, bearer]) {
      expect((await ask(app, task, { id }, headers)).data).toEqual({ bulkTask: { __typename: 'BulkIssuanceTask' } });
    }
  });

  it.each(wrong)('%s is 401 UNAUTHENTICATED', async (_name, headers) => {
    const answer = await ask(app, task, { id }, await headers());
    expect(answer).toMatchObject({ status: 401, data: undefined });
    expect(answer.errors).toEqual([
      { message: expect.any(String), extensions: { code: 'UNAUTHENTICATED', requestId: expect.stringMatching(/^v-/) } },
    ]);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('without credentials every root field is UNAUTHENTICATED', async () => {
    const input = { programId: app.project.programId, initialValue: 1, count: 1 };
    const create = 'mutation { createGiftCardProgram(input: { name: "x", currency: "EUR" }) { userErrors { code } } }';
    for (const [query, variables] of [
      [task, { id }],
      ['{ bulkTasks { edges { cursor } } }', {}],
      [issue, { input }],
      [create, {}],
      ['mutation { importVouchers(input: { vouchers: [] }) { userErrors { code } } }', {}],
    ] as const) {
      expect(codes(await ask(app, query, variables, {}))).toEqual(['UNAUTHENTICATED']);
    }
  });

  it('without credentials the schema can be read', async () => {
    expect((await ask(app, '{ __schema { queryType { name } } }', {}, {})).data).toEqual({
      __schema: { queryType: { name: 'Query' } },
    });
  });

  it("a stranger sees nothing of another project's task, and cannot issue under its program", async () => {
    expect((await ask(app, task, { id }, stranger.headers)).data).toEqual({ bulkTask: null });
    const input = { programId: app.project.programId, initialValue: 1, count: 1 };
    expect((await ask(app, issue, { input }, stranger.headers)).data).toEqual({
      issueGiftCards: { task: null, userErrors: [{ code: 'NOT_FOUND' }] },
    });
  });

  it('an upload without or with wrong credentials is refused before it is read', async () => {
    const form = () => {
      const body = new FormData();
      const query = 'mutation ($file: File!) { importVouchersCsv(input: { file: $file }) { userErrors { code } } }';
      body.set('operations', JSON.stringify({ query, variables: { file: null } }));
      body.set('map', '{"0":["variables.file"]}');
      body.set('0', new Blob(['Code\nA\n']), 'a.csv');
      return body;
    };
    for (const headers of [{}, { ...app.project.headers, 'x-app-token': 'wrong' }]) {
      const answer = await post(app, form(), headers);
      expect(answer.status).toBe(401);
      expect(codes(answer)).toEqual(['UNAUTHENTICATED']);
    }
  });
});

describe('over server-sent events', () => {
  const firstOf = async (headers: Headers) => {
    const sse = overSse(app, headers);
    onTestFinished(() => sse.dispose());
    return (await sse.subscribe(watchTask, { id }).next()).value;
  };

  it('a key pair and a token both show the project', async () => {
    const pushed = { data: { bulkTask: { __typename: 'BulkIssuanceTask' } } };
    expect(await firstOf(app.project.headers)).toEqual(pushed);
    expect(await firstOf({ authorization: await app.project.bearer() })).toEqual(pushed);
  });

  it.each(wrong)('%s is 401', async (_name, headers) => {
    await expect(firstOf(await headers())).rejects.toMatchObject({ response: { status: 401 } });
  });

  it('without credentials is UNAUTHENTICATED', async () => {
    expect(await firstOf({})).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  });

  it('a stranger finds an unknown task', async () => {
    expect(await firstOf(stranger.headers)).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] });
  });
});

describe('over a WebSocket', () => {
  const connect = (parameters: object) => {
    const socket = overWebSocket(app, parameters);
    onTestFinished(() => socket.dispose());
    return socket;
  };

  it('a key pair and a token both show the project, their names in any case', async () => {
    const { appId, appToken } = app.project;
    for (const parameters of [
      app.project.headers,
      { 'X-App-Id': appId, 'X-App-Token': appToken },
      { Authorization: await app.project.bearer() },
    ]) {
      expect(await readAll(connect(parameters).subscribe(task, { id }))).toEqual([
        { bulkTask: { __typename: 'BulkIssuanceTask' } },
      ]);
    }
  });

  it.each([...wrong, ['no credentials', () => ({})] as const])('%s closes it with 4403', async (_name, headers) => {
    const parameters = await headers();
    await expect(readAll(connect(parameters).subscribe(task, { id }))).rejects.toMatchObject({
      code: 4403,
      reason: 'Forbidden',
    });
  });

  it.each([
    ['connectionParams that are null', null],
    ['connectionParams that no header can hold', { 'x-app-id': 'a\u0000b', 'x-app-token': '\ud800' }],
    ['connectionParams of another type', { 'x-app-id': 5, 'x-app-token': [] }],
  ])('%s close it with 4403', async (_name, payload) => {
    const socket = new WebSocket(app.wsUrl, 'graphql-transport-ws');
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', ...(payload === null ? {} : { payload }) }));
    const [code] = await once(socket, 'close');
    expect(code).toBe(4403);
  });

  it('an operation before the connection is acknowledged closes it with 4401', async () => {
    const socket = new WebSocket(app.wsUrl, 'graphql-transport-ws');
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query: '{ __typename }' } }));
    const [code] = await once(socket, 'close');
    expect(code).toBe(4401);
  });

  it('a stranger finds an unknown task', async () => {
    const { subscribe } = connect(stranger.headers);
    expect(await readAll(subscribe(task, { id }))).toEqual([{ bulkTask: null }]);
    expect((await subscribe(watchTask, { id }).next()).value).toMatchObject({
      errors: [{ extensions: { code: 'NOT_FOUND' } }],
    });
  });
});
