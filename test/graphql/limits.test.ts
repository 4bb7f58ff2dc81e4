import { getIntrospectionQuery } from 'graphql';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { ask, codes, issueCards, overWebSocket, post, readAll } from './client.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
});

const nested = (depth: number) =>
  `{ __type(name: "Query") { ${'ofType { '.repeat(depth)} name ${'} '.repeat(depth)} } }`;

const tooMuch: [string, string][] = [
  ['a document of too many characters', `{ ${' '.repeat(60_000)} __typename }`],
  ['too deep a query', nested(20)],
  [
    'too many fields',
    `{ ${'...F '.repeat(200)} } fragment F on Query { a: __typename b: __typename c: __typename d: __typename e: __typename f: __typename }`,
  ],
  [
    'pages within pages',
    '{ bulkTasks(first: 100) { edges { node { ... on TaskProgress { failures(first: 100) { edges { node { row } } } } } } } }',
  ],
  [
    'pages within pages by variables',
    'query ($n: Int = 100) { bulkTasks(first: $n) { edges { node { ... on TaskProgress { failures(first: $n) { edges { node { row } } } } } } } }',
  ],
  [
    'too many starts',
    `mutation { ${Array.from({ length: 50 }, (_, index) => `a${index}: importVouchers(input: { vouchers: [] }) { userErrors { code } }`).join(' ')} }`,
  ],
  ['fragments that unfold without end', bomb()],
];

/** Each fragment spreads the next one twice: 2^30 fields out of 30 lines. */
function bomb(): string {
  const fragments = Array.from(
    { length: 30 },
    (_, index) => `fragment F${index} on Query { a${index}: __typename ...F${index + 1} ...F${index + 1} }`,
  );
  return `{ ...F0 } ${fragments.join('\n')} fragment F30 on Query { __typename }`;
}

describe('a document that asks for too much', () => {
  it.each(tooMuch)('%s is QUERY_TOO_COMPLEX over HTTP', async (_name, query) => {
    const answer = await ask(app, query);
    expect({ codes: codes(answer), data: answer.data }).toEqual({ codes: ['QUERY_TOO_COMPLEX'], data: undefined });
  });

  it.each(tooMuch)('%s is QUERY_TOO_COMPLEX over a WebSocket', async (_name, query) => {
    const socket = overWebSocket(app);
    onTestFinished(() => socket.dispose());
    const shown = await readAll(socket.subscribe(query)).catch((error: unknown) => error);
    expect(JSON.stringify(shown instanceof Error ? shown.message : shown)).toContain('QUERY_TOO_COMPLEX');
  });

  it('too many tokens are too complex, and no syntax error', async () => {
    const answer = await ask(app, `{ ${'a '.repeat(2_001)} }`);
    expect(codes(answer)).toEqual(['QUERY_TOO_COMPLEX']);
    expect(answer.errors?.[0]?.message).toContain('2000 tokens');
  });

  it('is refused within a moment, whatever it is', async () => {
    const startedMs = performance.now();
    await ask(app, `{ ${'__typename '.repeat(1_990)} }`);
    await ask(app, bomb());
    expect(performance.now() - startedMs).toBeLessThan(3_000);
  });
});

describe('an ordinary document', () => {
  it("of GraphiQL's introspection passes", async () => {
    const { data } = await ask<{ __schema: { types: unknown[] } }>(
      app,
      getIntrospectionQuery({
        specifiedByUrl: true,
        directiveIsRepeatable: true,
        schemaDescription: true,
        inputValueDeprecation: true,
      }),
      {},
      {},
    );
    expect(data.__schema.types.length).toBeGreaterThan(30);
  });

  it('that pages through everything in sight passes', async () => {
    const query = `{ bulkTasks(first: 20) { edges { cursor node { __typename
      ... on TaskProgress { id state version progress counts { total processed succeeded failed } failures { edges { node { row key code message } } } }
      ... on BulkIssuanceTask { cards { edges { node { id cardNumber lastFourDigits } } } }
    } } pageInfo { hasNextPage } } }`;
    await issueCards(app, 1);
    expect((await ask(app, query)).errors).toBeUndefined();
  });

  it('may name one of several operations', async () => {
    const body = { query: 'query one { __typename } query two { a: __typename }', operationName: 'two' };
    expect((await post(app, JSON.stringify(body), { 'content-type': 'application/json' })).data).toEqual({
      a: 'Query',
    });
  });
});
