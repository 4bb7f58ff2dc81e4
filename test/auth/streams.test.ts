import { sql } from 'kysely';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { issueToken, issueWatchToken } from '../../src/auth/tokens.ts';
import { type Headers, issueCards, transports } from '../graphql/client.ts';
import { secret, startTestApp, type TestApp, type TestProject } from '../support/gateway.ts';

const watch = 'subscription ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { id state } } }';
const watchCards =
  'subscription ($id: ID!) { bulkTask(id: $id) { ... on BulkIssuanceTask { csvDownloadUrl cards { nodes { cardNumber } } } } }';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp({ role: 'gateway', settings: { BULKCAST_CREDENTIALS_MAX_AGE_MS: '200' } });
});

async function watcher(project: TestProject, taskId: string): Promise<Headers> {
  const owner = { projectId: project.id, kind: 'KEY', name: project.appId } as const;
  return { authorization: `Bearer ${await issueWatchToken(secret, owner, taskId, new Date(Date.now() + 600_000))}` };
}

describe.each(Object.entries(transports))('over %s', (name, connect) => {
  const open = (headers: Headers) => {
    const transport = connect(app, headers);
    onTestFinished(() => transport.dispose());
    return transport;
  };
  const ended =
    name === 'WebSocket'
      ? (next: Promise<unknown>) => expect(next).rejects.toMatchObject({ code: 4403 })
      : async (next: Promise<unknown>) =>
          expect(await next).toMatchObject({ value: { errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] } });

  test.each([
    ['its key is revoked', (project: TestProject) => project.headers as Headers, 'api_keys'],
    ['the key of a watch token is revoked', (project: TestProject, id: string) => watcher(project, id), 'api_keys'],
    [
      'its merchant is disabled',
      async (project: TestProject) => ({ authorization: await project.bearer() }),
      'merchants',
    ],
    [
      'its token ends',
      async (project: TestProject) => ({
        authorization: `Bearer ${await issueToken(secret, { projectId: project.id, username: project.username }, 2)}`,
      }),
      'none',
    ],
  ] as const)('a stream ends when %s', async (_name, credentials, table) => {
    const project = await app.createProject();
    const id = await issueCards(app, 3, project);
    const stream = open(await credentials(project, id)).subscribe(watch, { id });
    expect((await stream.next()).value).toEqual({ data: { bulkTask: { id, state: 'QUEUED' } } });
    const next = stream.next();
    if (table === 'api_keys')
      await sql`update api_keys set revoked_at = now() where app_id = ${project.appId}`.execute(app.app.db);
    if (table === 'merchants')
      await sql`update merchants set disabled_at = now() where username = ${project.username}`.execute(app.app.db);
    await ended(next);
  });

  test('a watch token shows its task and no other, and no cards, beside an owner who asks the same', async () => {
    const id = await issueCards(app, 3);
    const other = await issueCards(app, 3);
    const confined = open(await watcher(app.project, id));
    const owner = open(app.project.headers);
    expect((await owner.subscribe(watchCards, { id }).next()).value).toEqual({
      data: { bulkTask: { csvDownloadUrl: null, cards: { nodes: [] } } },
    });
    const hidden = (await confined.subscribe(watchCards, { id }).next()).value;
    expect(hidden).toMatchObject({
      errors: [{ extensions: { code: 'FORBIDDEN' } }, { extensions: { code: 'FORBIDDEN' } }],
    });
    expect((await confined.subscribe(watch, { id }).next()).value).toEqual({
      data: { bulkTask: { id, state: 'QUEUED' } },
    });
    expect((await confined.subscribe(watch, { id: other }).next()).value).toMatchObject({
      errors: [{ extensions: { code: 'NOT_FOUND' } }],
    });
    expect((await confined.subscribe('subscription { bulkTasks { __typename } }').next()).value).toMatchObject({
      errors: [{ extensions: { code: 'FORBIDDEN' } }],
    });
  });
});
