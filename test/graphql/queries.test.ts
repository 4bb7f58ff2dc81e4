import { beforeAll, describe, expect, it, test } from 'vitest';
import { startTestApp, type TestApp, type TestProject } from '../support/gateway.ts';
import { ask, codes, importVouchers, issueCards, overWebSocket, readAll, succeeded } from './client.ts';

interface Page {
  readonly edges: readonly { readonly cursor: string; readonly node: Record<string, unknown> }[];
  readonly pageInfo: {
    hasNextPage: boolean;
    hasPreviousPage: boolean;
    startCursor: string | null;
    endCursor: string | null;
  };
}

const pageFields = 'pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';
const list = `query ($filter: BulkTaskFilter, $first: Int, $after: String) {
  bulkTasks(filter: $filter, first: $first, after: $after) {
    edges { cursor node { ... on TaskProgress { id state } } } ${pageFields}
  }
}`;

let app: TestApp;
let empty: TestProject;
/** Newest first. */
let ids: string[];

beforeAll(async () => {
  app = await startTestApp();
  empty = await app.createProject();
  const issued = await issueCards(app, 120);
  const gift = { amount: 1 };
  const imported = await importVouchers(
    app,
    Array.from({ length: 130 }, () => ({ code: 'SAME', gift })),
  );
  const second = await issueCards(app, 1);
  ids = [second, imported, issued];
  for (const id of ids) await succeeded(app, id);
});

const readTasks = async (variables: object = {}): Promise<Page> =>
  (await ask<{ bulkTasks: Page }>(app, list, variables)).data.bulkTasks;
const idsOf = (page: Page) => page.edges.map(({ node }) => node.id);

describe('bulkTask', () => {
  const one = 'query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { id } } }';

  it('finds a task of either model', async () => {
    for (const id of ids) expect((await ask(app, one, { id })).data).toEqual({ bulkTask: { id } });
  });

  it('tells the priority that a task was started with, as its start and its push do', async () => {
    const { headers, programId } = await app.createProject();
    const priority = '{ task { id priority } }';
    const cards = `input: { programId: "${programId}", initialValue: "1.00", count: 1 }`;
    const { data } = await ask<Record<string, { task: { id: string; priority: string } }>>(
      app,
      `mutation {
        issued: issueGiftCards(${cards}, priority: HIGH) ${priority}
        imported: importVouchers(input: { vouchers: [] }, priority: LOW) ${priority}
        other: importVouchers(input: { vouchers: [] }) ${priority}
      }`,
      {},
      headers,
    );
    const socket = overWebSocket(app, headers);
    const told = 'bulkTask(id: $id) { ... on TaskProgress { id priority } }';
    for (const { task } of Object.values(data)) {
      const variables = { id: task.id };
      expect((await ask(app, `query ($id: ID!) { ${told} }`, variables, headers)).data).toEqual({ bulkTask: task });
      const pushed = await readAll(socket.subscribe(`subscription ($id: ID!) { ${told} }`, variables));
      for (const one of pushed) expect(one).toEqual({ bulkTask: task });
    }
    await socket.dispose();
    expect(Object.values(data).map(({ task }) => task.priority)).toEqual(['HIGH', 'LOW', 'NORMAL']);
  });

  it("is null for an unknown id, for another project's, and for what can be no id", async () => {
    const answers = [
      await ask(app, one, { id: 'aa_0123456789abcdef01' }),
      await ask(app, one, { id: ids[0] }, empty.headers),
      await ask(app, one, { id: 'a\u0000b' }),
      await ask(app, one, { id: 'x'.repeat(10_000) }),
    ];
    for (const { data, errors } of answers)
      expect({ data, errors }).toEqual({ data: { bulkTask: null }, errors: undefined });
  });
});

describe('bulkTasks', () => {
  it('lists the tasks of the project, newest first, and nothing else', async () => {
    expect(idsOf(await readTasks())).toEqual(ids);
    const theirs = await ask<{ bulkTasks: Page }>(app, list, {}, empty.headers);
    expect(theirs.data.bulkTasks).toEqual({
      edges: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    });
  });

  it('pages through without a gap or a repetition, also when tasks arrive meanwhile', async () => {
    const first = await readTasks({ first: 1 });
    expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const newer = await issueCards(app, 1);
    const second = await readTasks({ first: 1, after: first.pageInfo.endCursor });
    const third = await readTasks({ first: 5, after: second.pageInfo.endCursor });
    expect([first, second, third].flatMap(idsOf)).toEqual(ids);
    expect(third.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    await succeeded(app, newer);
    ids = [newer, ...ids];
  });

  it.each([
    [{ model: ['ASYNC_ACTION'] }, 1],
    [{ model: ['BULK_ISSUANCE'] }, 3],
    [{ type: ['VOUCHERS_IMPORT'] }, 1],
    [{ type: ['VOUCHERS_IMPORT_CSV'] }, 0],
    [{ type: ['VOUCHERS_IMPORT'], model: ['BULK_ISSUANCE'] }, 0],
    [{ state: ['SUCCEEDED', 'FAILED'] }, 4],
    [{ state: ['QUEUED'] }, 0],
    [{ state: [] }, 0],
    [{ state: null, type: null }, 4],
    [{ createdAfter: '2020-01-01T00:00:00Z' }, 4],
    [{ createdBefore: '2020-01-01T00:00:00+02:00' }, 0],
  ])('with the filter %j lists %i', async (filter, count) => {
    expect((await readTasks({ filter })).edges).toHaveLength(count);
  });

  it('cuts a page to 100, takes 0, and refuses fewer', async () => {
    expect((await readTasks({ first: 100_000 })).edges).toHaveLength(4);
    expect(await readTasks({ first: 0 })).toMatchObject({ edges: [], pageInfo: { hasNextPage: true } });
    expect(codes(await ask(app, list, { first: -1 }))).toEqual(['BAD_USER_INPUT']);
  });

  it('refuses a cursor that is none or of another list', async () => {
    const cards = await readCards(1);
    for (const after of [
      '',
      'nonsense',
      cards.edges[0]?.cursor,
      Buffer.from('task:99999999999999999:x').toString('base64'),
    ]) {
      const answer = await ask(app, list, { after });
      expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
      expect(answer.errors?.[0]?.message).toContain('after');
    }
  });
});

describe('cards and failures', () => {
  it('pages through the cards in row order', async () => {
    const first = await readCards(100);
    const second = await readCards(100, first.pageInfo.endCursor);
    expect([first.edges.length, second.edges.length]).toEqual([100, 20]);
    expect(second.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    const all = [...first.edges, ...second.edges].map(({ node }) => node.id);
    expect(new Set(all).size).toBe(120);
    expect(all).toEqual([...all].sort());
  });

  it('pages through the failures in row order', async () => {
    const first = await readFailures(100);
    const second = await readFailures(100, first.pageInfo.endCursor);
    const rows = [...first.edges, ...second.edges].map(({ node }) => node.row);
    expect(rows).toEqual(Array.from({ length: 129 }, (_, index) => index + 2));
    expect(second.pageInfo.hasNextPage).toBe(false);
  });
});

async function readCards(first: number, after?: string | null): Promise<Page> {
  const query = `query ($id: ID!, $first: Int, $after: String) { bulkTask(id: $id) { ... on BulkIssuanceTask {
    cards(first: $first, after: $after) { edges { cursor node { id cardNumber lastFourDigits } } ${pageFields} }
  } } }`;
  const variables = { id: ids.at(-1), first, after };
  return (await ask<{ bulkTask: { cards: Page } }>(app, query, variables)).data.bulkTask.cards;
}

async function readFailures(first: number, after?: string | null): Promise<Page> {
  const query = `query ($id: ID!, $first: Int, $after: String) { bulkTask(id: $id) { ... on TaskProgress {
    failures(first: $first, after: $after) { edges { cursor node { row } } ${pageFields} }
  } } }`;
  const variables = { id: ids.at(-2), first, after };
  return (await ask<{ bulkTask: { failures: Page } }>(app, query, variables)).data.bulkTask.failures;
}

test('a day that its month does not have is no DateTime', async () => {
  const { errors } = await ask(app, list, { filter: { createdBefore: '2026-02-31T00:00:00Z' } });
  expect(errors?.map(({ message }) => message).join()).toContain('Expected a DateTime');
});

describe('what is answered by a plan', () => {
  const everything = `__typename ... on TaskProgress { id state version progress counts { total processed succeeded failed }
    ratePerSecond createdAt startedAt updatedAt completedAt estimatedCompletionAt operation: __typename }
    ... on BulkIssuanceTask { programId status issuedCount csvDownloadUrl } ... on AsyncAction { type requestId }`;

  /** A directive is left to graphql-js. */
  const asGraphqlJs = (query: string) => query.replaceAll('@plain', '@include(if: true)');
  const byPlan = (query: string) => query.replaceAll('@plain', '');

  it.each([
    ['one task', `query ($id: ID!) { bulkTask(id: $id) @plain { ${everything} } }`],
    [
      'none',
      'query { a: bulkTask(id: "aa_0123456789abcdef01") @plain { ... on TaskProgress { id } } __typename @plain }',
    ],
    [
      'several fields',
      `query ($id: ID!) { a: bulkTask(id: $id) @plain { ...t } b: bulkTask(id: $id) { ...t } }
      fragment t on TaskProgress { id state }`,
    ],
    [
      'a page',
      `query { bulkTasks(first: 2) @plain { edges { cursor node { ${everything} } } nodes { __typename } ${pageFields} } }`,
    ],
    [
      'values that take their time',
      `query ($id: ID!) { bulkTask(id: $id) @plain { ... on TaskProgress { id
      failures(first: 2) { nodes { row message } } } } }`,
    ],
    ['a wrong variable', 'query ($first: Int = -1) { bulkTasks(first: $first) @plain { nodes { __typename } } }'],
    ['a null too many', 'query ($id: ID) { bulkTask(id: $id) @plain { __typename } }'],
  ])('is what graphql-js answers: %s', async (_name, query) => {
    const [id] = ids;
    const variables = { id: id ?? null };
    const withoutLinks = (answer: unknown) =>
      JSON.parse(
        JSON.stringify(answer).replaceAll(/"(csvDownloadUrl|requestId|line|column)":("[^"]*"|\d+)/g, '"$1":"…"'),
      );
    const planned = await ask(app, byPlan(query), variables);
    expect(withoutLinks(planned)).toEqual(withoutLinks(await ask(app, asGraphqlJs(query), variables)));
  });

  it('leaves no promise to nobody when a later field cannot be asked', async () => {
    const query = `query ($id: ID = "x") { bulkTasks(after: "garbage") { nodes { __typename } } bulkTask(id: $id) { __typename } }`;
    const answers = [await ask(app, query, { id: null }), await ask(app, query, { id: null }, {})];
    for (const { errors } of answers) expect(errors).not.toBeUndefined();
    expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
  });
});
